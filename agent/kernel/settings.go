package kernel

import (
	"rsagent/sysctl"
)

// settings reads and writes keys. Those that are looked at again and again, of
// all, default and the tunnel, stay open: a look-up of their names would be
// most of the time that it takes to repair one.
type settings struct {
	open map[sysctl.Key]*sysctl.Handle
}

// read returns the value of a key.
func (s *settings) read(key sysctl.Key) (v int, err error) {
	err = s.with(key, func(h *sysctl.Handle) error { v, err = h.Read(); return err })
	return v, err
}

// write sets a key and reads it back.
func (s *settings) write(key sysctl.Key, value int) error {
	return s.with(key, func(h *sysctl.Handle) error { return h.Write(value) })
}

// with calls f with the key open. One that stayed open is opened anew if it
// fails: the device may have been made anew.
func (s *settings) with(key sysctl.Key, f func(*sysctl.Handle) error) error {
	if h, kept := s.open[key]; kept {
		if f(h) == nil {
			return nil
		}
		_ = h.Close()
		delete(s.open, key)
	}
	h, err := sysctl.Tree{}.Open(key)
	if err != nil {
		return err
	}
	if err := f(h); err != nil {
		_ = h.Close()
		return err
	}
	s.keep(key, h)
	return nil
}

// keep leaves a key open, and of devices those of one: names come and go.
func (s *settings) keep(key sysctl.Key, h *sysctl.Handle) {
	if s.open == nil {
		s.open = map[sysctl.Key]*sysctl.Handle{}
	}
	for old, h := range s.open {
		if !shared(key) && !shared(old) && old.Scope != key.Scope {
			_ = h.Close()
			delete(s.open, old)
		}
	}
	s.open[key] = h
}

// shared reports whether a key is of no device.
func shared(key sysctl.Key) bool { return key.Scope == sysctl.All || key.Scope == sysctl.Default }

// once reads a key that need not stay open.
func (s *settings) once(key sysctl.Key) (int, error) {
	if _, kept := s.open[key]; kept || key.Scope == sysctl.All {
		return s.read(key)
	}
	return sysctl.Tree{}.Read(key)
}

func (s *settings) close() {
	for key, h := range s.open {
		_ = h.Close()
		delete(s.open, key)
	}
}

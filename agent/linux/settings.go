package linux

import (
	"rsagent/sysctl"
)

// settings reads and writes keys. Those of all and default stay open: they are
// looked at with every pass, and a look-up of their names would be most of the
// time that it takes to repair one. Devices come and go.
type settings struct {
	tree *sysctl.Tree
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
// fails.
func (s *settings) with(key sysctl.Key, f func(*sysctl.Handle) error) error {
	if h, kept := s.open[key]; kept {
		if f(h) == nil {
			return nil
		}
		_ = h.Close()
		delete(s.open, key)
	}
	h, err := s.tree.Handle(key)
	if err != nil {
		return err
	}
	if err := f(h); err != nil || !shared(key) {
		_ = h.Close()
		return err
	}
	if s.open == nil {
		s.open = map[sysctl.Key]*sysctl.Handle{}
	}
	s.open[key] = h
	return nil
}

// shared reports whether a key is of no device.
func shared(key sysctl.Key) bool { return key.Scope == sysctl.All || key.Scope == sysctl.Default }

func (s *settings) close() error {
	for key, h := range s.open {
		_ = h.Close()
		delete(s.open, key)
	}
	return s.tree.Close()
}

package director

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
)

// Director programs the IPVS table of one network namespace. Each method reads before it writes, so that repeating it
// changes nothing. Where another program changes the table in between, the error is the kernel's. A Director is not safe
// for use by several goroutines at the same time.
type Director struct {
	table table
}

// table is the IPVS table of one network namespace. Its errors wrap the kernel's errno.
type table interface {
	// info reads the version and the size of the connection table.
	info() (Info, error)
	// read returns every service with its servers, in no order, or only the one with that key, if it exists.
	read(only *serviceKey) ([]ServiceStatus, error)
	// apply makes one change.
	apply(op) error
	// close closes the socket.
	close() error
}

// Close closes the socket to the kernel. Everything that was programmed stays as it is.
func (d *Director) Close() error { return d.table.close() }

// Info returns the version of IPVS and the size of its connection table.
func (d *Director) Info() (Info, error) {
	i, err := d.table.info()
	if err != nil {
		return Info{}, fmt.Errorf("ipvs info: %w", explainRead(err))
	}
	return i, nil
}

// List returns the whole table in ipvsadm's order, foreign services and servers included. The kernel gives it out one
// service at a time, so a list that is read while another program changes the table may show some services before the
// change and some after it.
func (d *Director) List() ([]ServiceStatus, error) {
	list, err := d.table.read(nil)
	if err != nil {
		return nil, fmt.Errorf("ipvs table: %w", explainRead(err))
	}
	sortStatus(list)
	return list, nil
}

// AddService adds the service. One that exists with another scheduler is edited: its servers and connections stay, and
// so do its persistence and its timeouts. (A persistence engine does not: IPVS forgets it on every edit that does not
// repeat it.)
func (d *Director) AddService(s Service) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("service %s: %w", s, err)
	}
	return d.ensure(s, func(current []ServiceStatus) ([]op, error) { return planService(current, s), nil })
}

// RemoveService removes the service and its servers. That it does not exist is no error. Of s only VIP, Port and
// Protocol count.
func (d *Director) RemoveService(s Service) error {
	if err := s.validateKey(); err != nil {
		return fmt.Errorf("service %s: %w", s, err)
	}
	return d.ensure(s, func(current []ServiceStatus) ([]op, error) {
		if len(current) == 0 {
			return nil, nil
		}
		return []op{{verb: deleteService, service: current[0]}}, nil
	})
}

// AddRealServer adds the real server to the service, by IPIP tunnel and with that weight. One with the same RIP and
// another weight or forwarding method is edited. A service that does not exist is fs.ErrNotExist. Of s only VIP, Port
// and Protocol count.
func (d *Director) AddRealServer(s Service, rs RealServer) error {
	if err := errors.Join(s.validateKey(), rs.ValidateFor(s)); err != nil {
		return fmt.Errorf("service %s: real server %s: %w", s, rs.RIP, err)
	}
	return d.ensure(s, func(current []ServiceStatus) ([]op, error) {
		if len(current) == 0 {
			return nil, fmt.Errorf("service %s: %w", s, errAbsent)
		}
		return planServer(current[0], rs), nil
	})
}

// RemoveRealServer removes the real server from the service; the director sends it nothing any more, not even packets of
// established connections. For those to finish, set its weight to 0 first. That the server or the service does not exist
// is no error.
func (d *Director) RemoveRealServer(s Service, rip netip.Addr) error {
	if err := s.validateKey(); err != nil {
		return fmt.Errorf("service %s: %w", s, err)
	}
	return d.ensure(s, func(current []ServiceStatus) ([]op, error) {
		if len(current) == 0 {
			return nil, nil
		}
		server, found := current[0].server(rip, s.Port)
		if !found {
			return nil, nil
		}
		return []op{{verb: deleteServer, service: current[0], server: server}}, nil
	})
}

// SetWeight changes the weight of a real server, and nothing else of it. With 0 it gets no new connections, and keeps
// those that it has. A service or server that does not exist is fs.ErrNotExist.
func (d *Director) SetWeight(s Service, rip netip.Addr, weight int) error {
	if err := errors.Join(s.validateKey(), validateWeight(weight)); err != nil {
		return fmt.Errorf("service %s: real server %s: %w", s, rip, err)
	}
	return d.ensure(s, func(current []ServiceStatus) ([]op, error) {
		if len(current) == 0 {
			return nil, fmt.Errorf("service %s: %w", s, errAbsent)
		}
		server, found := current[0].server(rip, s.Port)
		if !found {
			return nil, fmt.Errorf("service %s: real server %s: %w", s, rip, errAbsent)
		}
		if server.Weight == weight {
			return nil, nil
		}
		server.Weight = weight
		return []op{{verb: editServer, service: current[0], server: server}}, nil
	})
}

// Clear empties the whole IPVS table of this network namespace, foreign services included, as `ipvsadm -C` does. It goes
// one service at a time.
func (d *Director) Clear() error {
	list, err := d.List()
	if err != nil {
		return err
	}
	for _, s := range list {
		if err := d.apply(op{verb: deleteService, service: s}); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Save writes the whole table in the format of `ipvsadm -Sn`, which `ipvsadm-restore` reads too. [Director.Restore]
// refuses the lines of foreign services that this package cannot make.
func (d *Director) Save(w io.Writer) error {
	list, err := d.List()
	if err != nil {
		return err
	}
	if err := writeRules(w, list); err != nil {
		return fmt.Errorf("ipvs table: save: %w", err)
	}
	return nil
}

// Restore adds or edits every service and real server that r describes in the format of [Director.Save]. Others stay, as
// with ipvsadm-restore, so Clear first for an exact copy. It reads and validates all of r before it changes anything. If
// the kernel then refuses a command, the error names it; the commands before it have taken effect, and Restore may be
// repeated.
func (d *Director) Restore(r io.Reader) error {
	want, err := parseRules(r)
	if err != nil {
		return fmt.Errorf("ipvs restore: %w", err)
	}
	current, err := d.List()
	if err != nil {
		return err
	}
	return d.apply(planRestore(current, want)...)
}

// ensure reads one service and applies what decide makes of it.
func (d *Director) ensure(s Service, decide func(current []ServiceStatus) ([]op, error)) error {
	key := s.key()
	current, err := d.table.read(&key)
	if err != nil {
		return fmt.Errorf("service %s: %w", s, explainRead(err))
	}
	ops, err := decide(current)
	if err != nil {
		return err
	}
	return d.apply(ops...)
}

// apply makes the changes in order and stops at the first that the kernel refuses.
func (d *Director) apply(ops ...op) error {
	for _, o := range ops {
		if err := d.table.apply(o); err != nil {
			return explainApply(o, err)
		}
	}
	return nil
}

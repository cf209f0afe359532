package director

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"sync"
)

// Director programs the IPVS table, and the VIPs, of one network namespace. It is safe for use by several goroutines;
// its methods run one at a time. Each method reads before it writes, so that repeating it changes nothing. Other
// programs may change the table in between: then the kernel's word is final, and the error says what it was.
type Director struct {
	mu    sync.Mutex
	table table
	nic   nic
}

// table is the IPVS table of one network namespace. Its errors wrap the kernel's errno.
type table interface {
	// info reads the version and the size of the connection table.
	info() (Info, error)
	// read returns every service with its servers, in no order, or only the one with that key, if it is there.
	read(only *serviceKey) ([]ServiceStatus, error)
	// apply makes one change.
	apply(op) error
	// close lets go of the kernel.
	close() error
}

// nic gives and takes addresses of network devices.
type nic interface {
	// add makes vip/32 an address of the device; that it is one already is no error.
	add(device string, vip netip.Addr) error
	// remove takes vip/32 from the device; that it is none is no error.
	remove(device string, vip netip.Addr) error
	// close lets go of the kernel.
	close() error
}

// Close lets go of the kernel. Everything that was programmed stays as it is.
func (d *Director) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(d.table.close(), d.nic.close())
}

// Info returns the version of IPVS and the size of its connection table.
func (d *Director) Info() (Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.table.info()
	if err != nil {
		return Info{}, fmt.Errorf("ipvs info: %w", explainRead(err))
	}
	return i, nil
}

// List returns the whole table in ipvsadm's order, foreign services and servers included. The kernel gives it out one
// service at a time, so a list that is read while others change the table may show some services before the change and
// some after it.
func (d *Director) List() ([]ServiceStatus, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.list()
}

func (d *Director) list() ([]ServiceStatus, error) {
	list, err := d.table.read(nil)
	if err != nil {
		return nil, fmt.Errorf("ipvs table: %w", explainRead(err))
	}
	sortStatus(list)
	return list, nil
}

// AddVIP makes vip/32 an address of the device, so that the director receives what clients send to it. It does nothing
// if the address is there, and it does not bring the device up.
func (d *Director) AddVIP(device string, vip netip.Addr) error {
	return d.address(device, vip, "add", d.nic.add)
}

// RemoveVIP takes vip/32 from the device. It does nothing if the address is not there; that the device is not there is
// an error. An address with the same VIP and another prefix length stays.
func (d *Director) RemoveVIP(device string, vip netip.Addr) error {
	return d.address(device, vip, "del", d.nic.remove)
}

func (d *Director) address(device string, vip netip.Addr, verb string, do func(string, netip.Addr) error) error {
	if err := errors.Join(validateDevice(device), validateUnicast(vip)); err != nil {
		return fmt.Errorf("VIP %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := do(device, vip); err != nil {
		return fmt.Errorf("ip addr %s %s/32 dev %s: %w", verb, vip, device, err)
	}
	return nil
}

// AddService makes the service be there, with that scheduler. One that is there with another scheduler is edited: its
// servers and connections stay, and so do its persistence and its timeouts. (Its persistence engine, if others set one,
// does not: IPVS forgets it on every edit that does not repeat it.)
func (d *Director) AddService(s Service) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("service %s: %w", s, err)
	}
	return d.ensure(s, func(current []ServiceStatus) ([]op, error) { return planService(current, s), nil })
}

// RemoveService takes the service away, and its servers with it. Nothing happens if it is not there. Of s only VIP,
// Port and Protocol count.
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

// AddRealServer makes the real server stand behind the service, by IPIP tunnel and with that weight. A server with the
// same RIP that others forward to differently is edited. A service that is not there is fs.ErrNotExist. Of s only VIP,
// Port and Protocol count.
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

// RemoveRealServer takes the real server from behind the service; the director sends it nothing any more, not even
// packets of the connections that it has. To let those finish, set its weight to 0 first. Nothing happens if the server,
// or the service, is not there.
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
// those that it has. A service or server that is not there is fs.ErrNotExist.
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

// Clear empties the whole IPVS table of this network namespace: every service, of whoever made it, as `ipvsadm -C`
// does. It goes one service at a time. The VIPs stay on their device.
func (d *Director) Clear() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	list, err := d.list()
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

// Save writes the table in the format of `ipvsadm -Sn`, so that `ipvsadm-restore` reads it too. It writes everything,
// what others have made included; [Director.Restore] refuses those of its lines that this package could not have made.
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

// Restore makes every service and real server true that r describes in the format of [Director.Save]; what is there
// beside them stays, as with ipvsadm-restore, so Clear first for an exact copy. It reads and validates all of r before
// it changes anything. If the kernel then refuses a command, the error names that one, the ones before it are done, and
// Restore may be repeated.
func (d *Director) Restore(r io.Reader) error {
	want, err := parseRules(r)
	if err != nil {
		return fmt.Errorf("ipvs restore: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	current, err := d.list()
	if err != nil {
		return err
	}
	return d.apply(planRestore(current, want)...)
}

// ensure reads one service, lets decide, and applies the decision. Where another program was quicker, the kernel finds
// the thing there that was to be added, or gone that was to be changed; then it is worth one more look.
func (d *Director) ensure(s Service, decide func(current []ServiceStatus) ([]op, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.ensureOnce(s, decide)
	if raced(err) {
		err = d.ensureOnce(s, decide)
	}
	return err
}

func (d *Director) ensureOnce(s Service, decide func(current []ServiceStatus) ([]op, error)) error {
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

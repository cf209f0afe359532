package director

import (
	"maps"
	"slices"
	"syscall"
	"testing"
)

// fakeTable models the IPVS table of net/netfilter/ipvs/ip_vs_ctl.c: what is there, and the errno for each command
// that does not fit it.
type fakeTable struct {
	services   map[serviceKey]ServiceStatus
	schedulers []string
	log        []string // commands that were applied

	readErr error            // what every read answers, if not nil
	fail    map[string]error // what a command answers, by its text
}

func newFakeTable() *fakeTable {
	return &fakeTable{
		services:   make(map[serviceKey]ServiceStatus),
		schedulers: []string{"rr", "wrr", "lc", "wlc", "sh", "mh"},
		fail:       make(map[string]error),
	}
}

func (f *fakeTable) close() error { return nil }

func (f *fakeTable) info() (Info, error) {
	return Info{Version: [3]int{1, 2, 1}, ConnectionTable: 4096}, f.readErr
}

func (f *fakeTable) read(only *serviceKey) ([]ServiceStatus, error) {
	if f.readErr != nil {
		return nil, f.readErr
	}
	var list []ServiceStatus
	for k, s := range f.services { // in no order, as the kernel's hash table
		if only == nil || *only == k {
			s.Servers = slices.Clone(s.Servers)
			list = append(list, s)
		}
	}
	return list, nil
}

func (f *fakeTable) apply(o op) error {
	if err := f.fail[o.String()]; err != nil {
		return err
	}
	if err := f.do(o); err != nil {
		return err
	}
	f.log = append(f.log, o.String())
	return nil
}

func (f *fakeTable) do(o op) error {
	key := o.service.key()
	service, found := f.services[key]
	switch {
	case o.verb == addService && found:
		return syscall.EEXIST
	case o.verb != addService && !found:
		return syscall.ESRCH
	}
	switch o.verb {
	case addService, editService:
		if !slices.Contains(f.schedulers, o.service.Scheduler) {
			return syscall.ENOENT
		}
		servers := service.Servers
		service = o.service
		service.Servers = servers
	case deleteService:
		delete(f.services, key)
		return nil
	default:
		servers, err := changeServers(service.Servers, o)
		if err != nil {
			return err
		}
		service.Servers = servers
	}
	f.services[key] = service
	return nil
}

func changeServers(servers []ServerStatus, o op) ([]ServerStatus, error) {
	servers = slices.Clone(servers)
	i := slices.IndexFunc(servers, func(s ServerStatus) bool { return s.RIP == o.server.RIP && s.Port == o.server.Port })
	switch {
	case o.verb == addServer && i >= 0:
		return nil, syscall.EEXIST
	case o.verb != addServer && i < 0:
		return nil, syscall.ENOENT
	case o.server.Weight < 0 || o.server.LowerThreshold > o.server.UpperThreshold:
		return nil, syscall.ERANGE
	}
	switch o.verb {
	case addServer:
		return append(servers, o.server), nil
	case editServer:
		servers[i] = o.server
		return servers, nil
	}
	return slices.Delete(servers, i, i+1), nil
}

// openFake returns a director over an empty fake.
func openFake(t *testing.T) (*Director, *fakeTable) {
	t.Helper()
	table := newFakeTable()
	d := &Director{table: table}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, table
}

// snapshot is the fake's content, to see whether something changed it.
func (f *fakeTable) snapshot() map[serviceKey]ServiceStatus { return maps.Clone(f.services) }

package director

import (
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFakeConforms(t *testing.T) {
	conformance(t, func(t *testing.T) *Director {
		d, _ := openFake(t)
		return d
	})
}

func TestNothingIsWrittenTwice(t *testing.T) {
	d, table := openFake(t)
	for range 3 {
		ok(t, d.AddService(web("rr")))
		ok(t, d.AddRealServer(web("rr"), RealServer{RIP: rs1, Weight: 1}))
		ok(t, d.SetWeight(web("rr"), rs1, 1))
		ok(t, d.RemoveRealServer(web("rr"), rs2))
		ok(t, d.Restore(strings.NewReader("-A -t 172.25.84.100:80 -s rr\n")))
	}
	want := []string{
		"ipvsadm -A -t 172.25.84.100:80 -s rr",
		"ipvsadm -a -t 172.25.84.100:80 -r 172.25.84.2:80 -i -w 1 --tun-type ipip",
	}
	if diff := cmp.Diff(want, table.log); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

func TestTheKernelsRefusals(t *testing.T) {
	d, table := openFake(t)
	ok(t, d.AddService(web("rr")))
	for _, c := range []struct {
		errno syscall.Errno
		is    error
		want  string
	}{
		{syscall.EPERM, fs.ErrPermission, "operation not permitted (needs root or CAP_NET_ADMIN in this network namespace)"},
		{syscall.ENOMEM, syscall.ENOMEM, "cannot allocate memory"},
		{syscall.ESRCH, fs.ErrNotExist, "service: not in the IPVS table"},
		{syscall.ENOENT, fs.ErrNotExist, "real server: not in the IPVS table"},
	} {
		command := "ipvsadm -a -t 172.25.84.100:80 -r 172.25.84.2:80 -i -w 1 --tun-type ipip"
		table.fail[command] = wrapped{c.errno}
		refused(t, d.AddRealServer(web("rr"), RealServer{RIP: rs1, Weight: 1}), c.is, command+": "+c.want)
	}
}

// wrapped is how a library's error carries the kernel's.
type wrapped struct{ error }

func (w wrapped) Unwrap() error { return w.error }

func TestNoIPVS(t *testing.T) {
	d, table := openFake(t)
	table.readErr = wrapped{syscall.ENOENT}
	for name, do := range map[string]func() error{
		"list":    func() error { _, err := d.List(); return err },
		"info":    func() error { _, err := d.Info(); return err },
		"clear":   d.Clear,
		"save":    func() error { return d.Save(&strings.Builder{}) },
		"service": func() error { return d.AddService(web("rr")) },
		"restore": func() error { return d.Restore(strings.NewReader(saved)) },
	} {
		if err := do(); !errors.Is(err, ErrNoIPVS) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: want ErrNoIPVS, got %v", name, err)
		}
	}
	table.readErr = syscall.EPERM
	refused(t, d.AddService(web("rr")), fs.ErrPermission,
		"service TCP 172.25.84.100:80: operation not permitted (needs root or CAP_NET_ADMIN in this network namespace)")
}

func TestRestoreStopsAtTheFirstRefusal(t *testing.T) {
	d, table := openFake(t)
	command := "ipvsadm -A -u 172.25.84.100:53 -s mh"
	table.fail[command] = syscall.ENOENT
	refused(t, d.Restore(strings.NewReader(saved)), ErrNoScheduler,
		command+": scheduler mh: not in this kernel: modprobe ip_vs_mh")
	expect(t, d, ServiceStatus{Service: web("rr"), Servers: []ServerStatus{tunnel(rs1, 80, 1), tunnel(rs2, 80, 0)}})
	delete(table.fail, command)
	ok(t, d.Restore(strings.NewReader(saved)))
}

func TestBadArgumentsChangeNothing(t *testing.T) {
	d, table := openFake(t)
	ok(t, d.AddService(web("rr")))
	before := table.snapshot()
	bad := web("rr")
	bad.VIP = netip.MustParseAddr("224.0.0.1")
	for name, err := range map[string]error{
		"service":        d.AddService(bad),
		"scheduler":      d.AddService(web("")),
		"remove service": d.RemoveService(bad),
		"server":         d.AddRealServer(bad, RealServer{RIP: rs1}),
		"RIP":            d.AddRealServer(web(""), RealServer{RIP: vip}),
		"remove server":  d.RemoveRealServer(bad, rs1),
		"weight":         d.SetWeight(web(""), rs1, -1),
		"file":           d.Restore(strings.NewReader("nonsense")),
	} {
		if err == nil {
			t.Errorf("%s: want an error, got none", name)
		}
	}
	if diff := cmp.Diff(before, table.snapshot(), netipEqual, cmp.AllowUnexported(serviceKey{})); diff != "" {
		t.Errorf("table (-before +after):\n%s", diff)
	}
}

package director

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The addresses of the classic network.
var (
	vip = netip.MustParseAddr("172.25.84.100")
	rs1 = netip.MustParseAddr("172.25.84.2")
	rs2 = netip.MustParseAddr("172.25.84.3")
)

func web(scheduler string) Service {
	return Service{VIP: vip, Port: 80, Protocol: TCP, Scheduler: scheduler}
}

// netipEqual lets cmp look at addresses, which have unexported fields.
var netipEqual = cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})

// conformance is what a director does over any table: the fake, and the kernel's own. Each part gets an empty table.
func conformance(t *testing.T, open func(t *testing.T) *Director) {
	parts := map[string]func(*testing.T, *Director){
		"an empty table":                      emptyTable,
		"a service and its servers":           serviceAndServers,
		"twice is once":                       twiceIsOnce,
		"every scheduler":                     everyScheduler,
		"a scheduler that is not":             noScheduler,
		"TCP and UDP on one port":             bothProtocols,
		"another scheduler":                   anotherScheduler,
		"another scheduler keeps persistence": keepsPersistence,
		"weights":                             weights,
		"what is not there":                   notThere,
		"removing":                            removing,
		"a foreign server becomes ours":       adoptServer,
		"the kernel maps ports, we do not":    mappedPorts,
		"save, clear, restore":                saveClearRestore,
		"restore keeps the rest":              restoreKeepsRest,
		"a bad file changes nothing":          badFile,
	}
	for name, part := range parts {
		t.Run(name, func(t *testing.T) { part(t, open(t)) })
	}
}

func emptyTable(t *testing.T, d *Director) {
	expect(t, d)
	ok(t, d.Clear())
	info, err := d.Info()
	ok(t, err)
	if info.Version != [3]int{1, 2, 1} {
		t.Errorf("version: want 1.2.1, got %v", info.Version)
	}
}

func serviceAndServers(t *testing.T, d *Director) {
	ok(t, d.AddService(web("rr")))
	expect(t, d, ServiceStatus{Service: web("rr")})
	ok(t, d.AddRealServer(web("rr"), RealServer{RIP: rs2, Weight: MaxWeight, Port: 80}))
	ok(t, d.AddRealServer(web("rr"), RealServer{RIP: rs1, Weight: 0}))
	expect(t, d, ServiceStatus{Service: web("rr"), Servers: []ServerStatus{tunnel(rs1, 80, 0), tunnel(rs2, 80, MaxWeight)}})
}

func twiceIsOnce(t *testing.T, d *Director) {
	for range 2 {
		ok(t, d.AddService(web("wrr")))
		ok(t, d.AddRealServer(web("wrr"), RealServer{RIP: rs1, Weight: 7}))
		ok(t, d.SetWeight(web("wrr"), rs1, 7))
		expect(t, d, ServiceStatus{Service: web("wrr"), Servers: []ServerStatus{tunnel(rs1, 80, 7)}})
	}
}

func everyScheduler(t *testing.T, d *Director) {
	var want []ServiceStatus
	for i, name := range []string{"rr", "wrr", "lc", "wlc", "sh", "mh"} {
		s := web(name)
		s.Port = uint16(8000 + i)
		ok(t, d.AddService(s))
		ok(t, d.AddRealServer(s, RealServer{RIP: rs1, Weight: 1}))
		want = append(want, ServiceStatus{Service: s, Servers: []ServerStatus{tunnel(rs1, s.Port, 1)}})
	}
	expect(t, d, want...)
}

func noScheduler(t *testing.T, d *Director) {
	want := "ipvsadm -A -t 172.25.84.100:80 -s nosuch: scheduler nosuch: not in this kernel: modprobe ip_vs_nosuch"
	refused(t, d.AddService(web("nosuch")), ErrNoScheduler, want)
	expect(t, d)
	ok(t, d.AddService(web("rr")))
	refused(t, d.AddService(web("nosuch")), ErrNoScheduler, strings.Replace(want, "-A", "-E", 1))
	expect(t, d, ServiceStatus{Service: web("rr")})
}

func bothProtocols(t *testing.T, d *Director) {
	udp := Service{VIP: vip, Port: 80, Protocol: UDP, Scheduler: "sh"}
	ok(t, d.AddService(udp))
	ok(t, d.AddService(web("rr")))
	ok(t, d.AddRealServer(udp, RealServer{RIP: rs2, Weight: 1}))
	expect(t, d, ServiceStatus{Service: web("rr")}, ServiceStatus{Service: udp, Servers: []ServerStatus{tunnel(rs2, 80, 1)}})
	ok(t, d.RemoveService(web("")))
	expect(t, d, ServiceStatus{Service: udp, Servers: []ServerStatus{tunnel(rs2, 80, 1)}})
}

func anotherScheduler(t *testing.T, d *Director) {
	ok(t, d.AddService(web("rr")))
	ok(t, d.AddRealServer(web(""), RealServer{RIP: rs1, Weight: 1}))
	ok(t, d.AddService(web("wlc")))
	expect(t, d, ServiceStatus{Service: web("wlc"), Servers: []ServerStatus{tunnel(rs1, 80, 1)}})
}

func keepsPersistence(t *testing.T, d *Director) {
	foreign := ServiceStatus{
		Service: web("sh"), Persistence: 5 * time.Minute, PersistenceMask: "255.255.255.0", SchedulerFlags: 2,
	}
	ok(t, d.table.apply(op{verb: addService, service: foreign}))
	ok(t, d.AddService(web("sh")))
	expect(t, d, foreign)
	ok(t, d.AddService(web("rr")))
	foreign.Scheduler, foreign.SchedulerFlags = "rr", 0
	expect(t, d, foreign)
}

func weights(t *testing.T, d *Director) {
	ok(t, d.AddService(web("wrr")))
	ok(t, d.AddRealServer(web(""), RealServer{RIP: rs1, Weight: 1}))
	for _, weight := range []int{0, 1, 100, MaxWeight} {
		ok(t, d.SetWeight(web(""), rs1, weight))
		expect(t, d, ServiceStatus{Service: web("wrr"), Servers: []ServerStatus{tunnel(rs1, 80, weight)}})
	}
	ok(t, d.AddRealServer(web(""), RealServer{RIP: rs1, Weight: 2}))
	expect(t, d, ServiceStatus{Service: web("wrr"), Servers: []ServerStatus{tunnel(rs1, 80, 2)}})
	for _, weight := range []int{-1, MaxWeight + 1} {
		refused(t, d.SetWeight(web(""), rs1, weight), nil,
			fmt.Sprintf("service TCP 172.25.84.100:80: real server 172.25.84.2: weight %d: allowed are 0 to 65535", weight))
	}
}

func notThere(t *testing.T, d *Director) {
	refused(t, d.AddRealServer(web(""), RealServer{RIP: rs1}), fs.ErrNotExist,
		"service TCP 172.25.84.100:80: not in the IPVS table")
	refused(t, d.SetWeight(web(""), rs1, 1), fs.ErrNotExist,
		"service TCP 172.25.84.100:80: not in the IPVS table")
	ok(t, d.AddService(web("rr")))
	refused(t, d.SetWeight(web(""), rs1, 1), fs.ErrNotExist,
		"service TCP 172.25.84.100:80: real server 172.25.84.2: not in the IPVS table")
}

func removing(t *testing.T, d *Director) {
	ok(t, d.RemoveRealServer(web(""), rs1))
	ok(t, d.RemoveService(web("")))
	ok(t, d.AddService(web("rr")))
	ok(t, d.AddRealServer(web(""), RealServer{RIP: rs1, Weight: 1}))
	ok(t, d.AddRealServer(web(""), RealServer{RIP: rs2, Weight: 1}))
	for range 2 {
		ok(t, d.RemoveRealServer(web(""), rs1))
		expect(t, d, ServiceStatus{Service: web("rr"), Servers: []ServerStatus{tunnel(rs2, 80, 1)}})
	}
	for range 2 {
		ok(t, d.RemoveService(web("")))
		expect(t, d)
	}
}

func adoptServer(t *testing.T, d *Director) {
	ok(t, d.AddService(web("rr")))
	for _, foreign := range []ServerStatus{
		{RealServer: RealServer{RIP: rs1, Port: 80, Weight: 3}, Forward: Masquerade, UpperThreshold: 20, LowerThreshold: 10},
		{RealServer: RealServer{RIP: rs2, Port: 80, Weight: 3}, Forward: Tunnel, Encapsulation: Encapsulation{Kind: GUE, Port: 6080, Checksum: 1}},
	} {
		ok(t, d.table.apply(op{verb: addServer, service: ServiceStatus{Service: web("rr")}, server: foreign}))
		ok(t, d.SetWeight(web(""), foreign.RIP, 4))
	}
	expect(t, d, ServiceStatus{Service: web("rr"), Servers: []ServerStatus{
		{RealServer: RealServer{RIP: rs1, Port: 80, Weight: 4}, Forward: Masquerade, UpperThreshold: 20, LowerThreshold: 10},
		{RealServer: RealServer{RIP: rs2, Port: 80, Weight: 4}, Forward: Tunnel, Encapsulation: Encapsulation{Kind: GUE, Port: 6080, Checksum: 1}},
	}})
	ok(t, d.AddRealServer(web(""), RealServer{RIP: rs1, Weight: 4}))
	ok(t, d.AddRealServer(web(""), RealServer{RIP: rs2, Weight: 4}))
	adopted := tunnel(rs1, 80, 4)
	adopted.UpperThreshold, adopted.LowerThreshold = 20, 10
	expect(t, d, ServiceStatus{Service: web("rr"), Servers: []ServerStatus{adopted, tunnel(rs2, 80, 4)}})
}

func mappedPorts(t *testing.T, d *Director) {
	ok(t, d.AddService(web("rr")))
	refused(t, d.AddRealServer(web(""), RealServer{RIP: rs1, Port: 8080, Weight: 1}), ErrPortMapped,
		"service TCP 172.25.84.100:80: real server 172.25.84.2: real server port 8080, service port 80: TUN maps no ports")
	expect(t, d, ServiceStatus{Service: web("rr")})
	ok(t, d.table.apply(op{verb: addServer, service: ServiceStatus{Service: web("rr")}, server: tunnel(rs1, 8080, 1)}))
	expect(t, d, ServiceStatus{Service: web("rr"), Servers: []ServerStatus{tunnel(rs1, 8080, 1)}})
}

const saved = `-A -t 172.25.84.100:80 -s rr
-a -t 172.25.84.100:80 -r 172.25.84.2:80 -i -w 1 --tun-type ipip
-a -t 172.25.84.100:80 -r 172.25.84.3:80 -i -w 0 --tun-type ipip
-A -u 172.25.84.100:53 -s mh
-a -u 172.25.84.100:53 -r 172.25.84.2:53 -i -w 65535 --tun-type ipip
`

func saveClearRestore(t *testing.T, d *Director) {
	ok(t, d.Restore(strings.NewReader(saved)))
	before, err := d.List()
	ok(t, err)
	var b strings.Builder
	ok(t, d.Save(&b))
	if diff := cmp.Diff(saved, b.String()); diff != "" {
		t.Errorf("saved table (-want +got):\n%s", diff)
	}
	ok(t, d.Clear())
	expect(t, d)
	for range 2 {
		ok(t, d.Restore(strings.NewReader(b.String())))
		expect(t, d, before...)
	}
}

func restoreKeepsRest(t *testing.T, d *Director) {
	other := Service{VIP: vip, Port: 443, Protocol: TCP, Scheduler: "lc"}
	ok(t, d.AddService(other))
	ok(t, d.AddService(web("wlc")))
	ok(t, d.AddRealServer(web(""), RealServer{RIP: rs2, Weight: 9}))
	ok(t, d.Restore(strings.NewReader("-A -t 172.25.84.100:80 -s rr\n-a -t 172.25.84.100:80 -r 172.25.84.2 -i\n")))
	expect(t, d,
		ServiceStatus{Service: web("rr"), Servers: []ServerStatus{tunnel(rs1, 80, 1), tunnel(rs2, 80, 9)}},
		ServiceStatus{Service: other})
}

func badFile(t *testing.T, d *Director) {
	ok(t, d.AddService(web("rr")))
	err := d.Restore(strings.NewReader(saved + "-a -t 172.25.84.100:80 -r 172.25.84.9:8080 -i -w 1\n"))
	refused(t, err, ErrPortMapped, "ipvs restore: line 6: real server port 8080, service port 80: TUN maps no ports")
	expect(t, d, ServiceStatus{Service: web("rr")})
}

func tunnel(rip netip.Addr, port uint16, weight int) ServerStatus {
	return ServerStatus{RealServer: RealServer{RIP: rip, Port: port, Weight: weight}, Forward: Tunnel}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused wants an error with that text that is that sentinel, if one is given.
func refused(t *testing.T, err, sentinel error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("want the error %q, got none", want)
	}
	if err.Error() != want {
		t.Errorf("error:\nwant %q\n got %q", want, err)
	}
	if sentinel != nil && !errors.Is(err, sentinel) {
		t.Errorf("error %q: want it to be %v", err, sentinel)
	}
}

// expect wants the table to hold exactly these services, in that order.
func expect(t *testing.T, d *Director, want ...ServiceStatus) {
	t.Helper()
	got, err := d.List()
	ok(t, err)
	if diff := cmp.Diff(want, got, netipEqual, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

package director

import (
	"net/netip"
	"time"
)

// foreignTable is a table as other programs leave it: testdata/table.ln and table.sn are what ipvsadm 1.31 prints for it, and
// the lab has ipvsadm make it and expects this list.
func foreignTable() []ServiceStatus {
	a := netip.MustParseAddr
	service := func(vip string, port uint16, p Protocol, scheduler string) Service {
		return Service{VIP: a(vip), Port: port, Protocol: p, Scheduler: scheduler}
	}
	gue, gre := tunnel(rs1, 8080, 1), tunnel(rs2, 8080, 1)
	gue.Encapsulation = Encapsulation{Kind: GUE, Port: 6080, Checksum: 1}
	gre.Encapsulation = Encapsulation{Kind: GRE}
	route, masq := tunnel(rs1, 443, 5), tunnel(rs2, 8443, 5)
	route.Forward, masq.Forward = Route, Masquerade
	return []ServiceStatus{
		{Service: web("rr"), Servers: []ServerStatus{tunnel(rs1, 80, 1), tunnel(rs2, 80, 0)}},
		{
			Service:     service("172.25.84.101", 8080, TCP, "wlc"),
			Persistence: 300 * time.Second, PersistenceMask: "255.255.255.0",
			Servers: []ServerStatus{gue, gre},
		},
		{Service: service("172.25.84.102", 21, TCP, "lc"), Persistence: 360 * time.Second},
		{Service: service("10.1.2.3", 443, TCP, "sh"), SchedulerFlags: 3, Servers: []ServerStatus{route, masq}},
		{
			Service: service("172.25.84.100", 53, UDP, "wrr"),
			Servers: []ServerStatus{tunnel(rs1, 53, 65535), tunnel(a("10.0.0.9"), 53, 3)},
		},
		{Service: service("172.25.84.101", 514, UDP, "mh"), OnePacket: true, SchedulerFlags: 2},
		{Service: service("172.25.84.102", 3868, sctp, "rr"), Servers: []ServerStatus{tunnel(rs1, 3868, 2)}},
		{
			Service:     service("2001:db8::100", 80, TCP, "rr"),
			IPv6:        true,
			Persistence: time.Minute, PersistenceMask: "64",
			Servers: []ServerStatus{tunnel(a("2001:db8::2"), 80, 1)},
		},
		{Service: Service{Scheduler: "rr"}, FWMark: 7, SchedulerFlags: 5, Servers: []ServerStatus{tunnel(rs1, 0, 1)}},
		{Service: Service{Scheduler: "wlc"}, FWMark: 8, IPv6: true, Persistence: time.Minute},
	}
}

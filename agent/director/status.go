package director

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// ServiceStatus is a virtual service as the kernel has it, with its servers. For services that this package makes, all
// fields between Service and Counters are zero; they carry what other programs have set, so that a listing is complete
// and an edit keeps what it does not name.
type ServiceStatus struct {
	Service

	FWMark          uint32         // identifies the service instead of VIP, Port and Protocol, if not 0
	IPv6            bool           // the service is of the IPv6 family
	Persistence     time.Duration  // how long a client stays with its server; whole seconds, 0 if not persistent
	PersistenceMask string         // how much of the client's address counts: "255.255.255.0", "64"; "" is all of it
	OnePacket       bool           // every datagram is scheduled by itself
	SchedulerFlags  SchedulerFlags // options of the scheduler

	Counters Counters
	Servers  []ServerStatus
}

// ServerStatus is a real server as the kernel has it. Its Port is always set, and may differ from the service's where
// another program made it so.
type ServerStatus struct {
	RealServer

	Forward        Forward
	Encapsulation  Encapsulation // of a tunnel
	UpperThreshold uint32        // connections at which the server counts as overloaded; 0 is never
	LowerThreshold uint32        // connections below which it no longer does

	ActiveConnections   uint32 // for TCP those in state ESTABLISHED, otherwise 0
	InactiveConnections uint32 // all others that the director still remembers
	Counters            Counters
}

// Counters are totals since a service or server was added, or since they were zeroed. The kernel adds them up every
// two seconds, so they trail the traffic by that much. There are none for the way back: in TUN replies do not pass the
// director.
type Counters struct {
	Connections uint64
	PacketsIn   uint64
	BytesIn     uint64
}

// Forward is how a director hands a packet to a real server, with the numbers of linux/ip_vs.h.
type Forward uint8

// The forwarding methods. Only Tunnel is ever set by this package.
const (
	Masquerade Forward = iota
	LocalNode
	Tunnel
	Route
)

// String returns the name that ipvsadm prints: "Masq", "Local", "Tunnel", "Route".
func (f Forward) String() string {
	names := [...]string{"Masq", "Local", "Tunnel", "Route"}
	if int(f) < len(names) {
		return names[f]
	}
	return "?"
}

// Encapsulation is the kind of a tunnel. The zero value is plain IPIP, the only one that this package sets.
type Encapsulation struct {
	Kind     EncapsulationKind
	Port     uint16 // UDP port of GUE
	Checksum uint16 // 0 none, 1 checksum, 2 remote checksum offload; of GUE and GRE
}

// EncapsulationKind is a tunnel's protocol, with the numbers of linux/ip_vs.h.
type EncapsulationKind uint8

// The tunnel protocols of IPVS.
const (
	IPIP EncapsulationKind = iota
	GUE
	GRE
)

// SchedulerFlags are the three option bits of a scheduler; what they mean is up to the scheduler.
type SchedulerFlags uint8

// Info is about the kernel's IPVS as a whole.
type Info struct {
	Version         [3]int // of IPVS, not of the kernel
	ConnectionTable uint32 // buckets of the connection table
}

// serviceKey is what the kernel identifies a service by.
type serviceKey struct {
	vip      netip.Addr
	port     uint16
	protocol Protocol
	fwmark   uint32
	ipv6     bool
}

func (s Service) key() serviceKey {
	return serviceKey{vip: s.VIP, port: s.Port, protocol: s.Protocol}
}

func (s ServiceStatus) key() serviceKey {
	k := s.Service.key()
	k.fwmark, k.ipv6 = s.FWMark, s.IPv6
	return k
}

// server returns the server with that RIP and port.
func (s ServiceStatus) server(rip netip.Addr, port uint16) (ServerStatus, bool) {
	i := slices.IndexFunc(s.Servers, func(r ServerStatus) bool { return r.RIP == rip && r.Port == port })
	if i < 0 {
		return ServerStatus{}, false
	}
	return s.Servers[i], true
}

// sortStatus puts services, and the servers of each, in the order in which ipvsadm lists them.
func sortStatus(list []ServiceStatus) {
	// The comparison below is not transitive for three far-apart addresses. Sorting twice makes the outcome depend on
	// the content only, and not on the order of the kernel's hash table.
	slices.SortFunc(list, func(a, b ServiceStatus) int {
		return cmp.Or(a.VIP.Compare(b.VIP), cmp.Compare(a.Port, b.Port))
	})
	slices.SortStableFunc(list, compareServices)
	for _, s := range list {
		slices.SortFunc(s.Servers, func(a, b ServerStatus) int {
			return cmp.Or(a.RIP.Compare(b.RIP), cmp.Compare(a.Port, b.Port))
		})
		slices.SortStableFunc(s.Servers, func(a, b ServerStatus) int {
			return cmp.Or(compareAddrs(a.RIP, b.RIP), cmp.Compare(a.Port, b.Port))
		})
	}
}

func compareServices(a, b ServiceStatus) int {
	family := 0
	if a.IPv6 != b.IPv6 {
		family = 1
		if b.IPv6 {
			family = -1
		}
	}
	return cmp.Or(
		int(int32(a.FWMark-b.FWMark)),
		family,
		cmp.Compare(a.Protocol, b.Protocol),
		compareAddrs(a.VIP, b.VIP),
		cmp.Compare(a.Port, b.Port),
	)
}

// compareAddrs compares as ipvsadm does: by the difference of two 32-bit words, taken as signed. Where it wraps,
// 192.0.2.1 stands before 10.0.0.1.
func compareAddrs(a, b netip.Addr) int {
	if a.BitLen() != b.BitLen() {
		return cmp.Compare(a.BitLen(), b.BitLen())
	}
	x, y := a.AsSlice(), b.AsSlice()
	for i := 0; i+4 <= len(x); i += 4 {
		if d := int32(binary.BigEndian.Uint32(x[i:]) - binary.BigEndian.Uint32(y[i:])); d != 0 {
			return int(d)
		}
	}
	return 0
}

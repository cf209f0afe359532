package agent

import (
	"fmt"
	"net/netip"
	"slices"

	"rsagent/sysctl"
)

// Observed is one consistent reading of everything that [Desired] talks about,
// foreign things included.
type Observed struct {
	Module  Module
	Links   []Link // in order of Index
	Addrs   []Addr // IPv4, in the kernel's order
	Sysctls map[sysctl.Key]int
	// Verdicts is the kernel's answer, for each wanted VIP that is on the
	// tunnel, to "what would you do with a packet for it from a client?".
	Verdicts map[netip.Addr]Verdict
	Gateways []Gateway  // of the default routes
	Source   netip.Addr // chosen for our own traffic to the world; zero if there is no route
	Gaps     []Gap      // what could not be read
	// Replays is what the next replay of sysctl.d would set; Persisted is the
	// file of ours among what it reads.
	Replays   []Replay
	Persisted Persisted
	// Edition counts what was announced before the reading, see Kernel.Stand.
	Edition int
	// Adopted holds the keys that are known to have been written on their
	// present device. It is filled from the [Baseline], not by the kernel.
	Adopted map[sysctl.Key]bool
}

// Module is the state of the kernel's ipip module.
type Module struct {
	Loaded bool
	// Obstacle says why the module cannot be loaded, if a reason is in sight
	// (a blacklist, modules disabled …). Only read while no tunnel is there.
	Obstacle string
}

// Link is a network device.
type Link struct {
	Index int
	Name  string
	Kind  string // as in `ip -d link`: ipip, veth, dummy …; "" for hardware
	Up    bool   // administratively up
	ARP   bool   // answers ARP: neither NOARP nor loopback
	MTU   int
	// For kind ipip. The zero Addr means any.
	Local, Remote netip.Addr
	External      bool // collect_md
	Bound         bool // to another device, and so only for what comes in there
}

// Fallback reports whether l is the kernel's catch-all IPIP device: of kind
// ipip, from any to any, bound to no device, not collect_md. There is at most one in a network
// namespace, whatever its name (ip_tunnel_lookup in net/ipv4/ip_tunnel.c).
func (l Link) Fallback() bool {
	return l.Kind == "ipip" && !l.Local.IsValid() && !l.Remote.IsValid() && !l.External && !l.Bound
}

// Addr is an IPv4 address on a device.
type Addr struct {
	Index  int // of the link
	Prefix netip.Prefix
	Label  string
	// What an address can have besides, and a VIP of ours has not.
	Broadcast netip.Addr
	Scope     int  // as in rtnetlink(7): 0 global, 253 link, 254 host
	Special   bool // it has a peer, or does not live forever
	Peer      netip.Addr
}

// Verdict is what the kernel would do with a packet from a client to a VIP
// that has come out of the tunnel.
type Verdict struct {
	Local bool
	// OnLinkOnly is true if only clients in a directly connected network get
	// through: loose filtering without a default route.
	OnLinkOnly bool
	Text       string // what it would do instead; empty if Local
}

// Gateway is a next hop of a default route.
type Gateway struct {
	Via    netip.Addr
	Device string
}

// String returns the route as ip(8) prints it.
func (g Gateway) String() string { return fmt.Sprintf("default via %s dev %s", g.Via, g.Device) }

// Gap is something that could not be read.
type Gap struct {
	Subject // of the finding that is missing for it
	Err     string
}

// row returns how a table names what could not be read.
func (g Gap) row() (subject, name string) {
	if g.Key != (sysctl.Key{}) {
		return "sysctl", g.Key.String()
	}
	return kinds[g.Kind].metric, ""
}

// Tunnel returns the device that takes the role of the tunnel: the fallback
// device under whatever name, since other programs rename it.
func (o Observed) Tunnel() (Link, bool) {
	i := slices.IndexFunc(o.Links, Link.Fallback)
	if i < 0 {
		return Link{}, false
	}
	return o.Links[i], true
}

// Link returns the link with the given name.
func (o Observed) Link(name string) (Link, bool) {
	i := slices.IndexFunc(o.Links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		return Link{}, false
	}
	return o.Links[i], true
}

func (o Observed) linkByIndex(index int) Link {
	i := slices.IndexFunc(o.Links, func(l Link) bool { return l.Index == index })
	if i < 0 {
		return Link{Index: index, Name: "?"}
	}
	return o.Links[i]
}

// device returns the name under which the tunnel is known here: that of the
// fallback device if there is one, that which loading the module will give it,
// else the configured one, which it gets when we create it.
func (o Observed) device(want Desired) string {
	if t, ok := o.Tunnel(); ok {
		return t.Name
	}
	if !o.Module.Loaded {
		return DefaultDevice
	}
	return want.Device
}

package sysctl

import "slices"

// The settings this package has a policy for. The ARP ones come first because
// they must be right before a VIP appears anywhere.
const (
	ARPIgnore   = "arp_ignore"
	ARPAnnounce = "arp_announce"
	RPFilter    = "rp_filter"
)

// Names lists them in the order in which they are written.
var Names = []string{ARPIgnore, ARPAnnounce, RPFilter}

// A Place says on which interfaces the effective value of a rule counts.
type Place int

const (
	// OnNICs means every device that answers ARP: net/ipv4/arp.c judges a
	// request by the device that received it, so the tunnel's value never counts.
	OnNICs Place = iota
	// OnTunnel means the tunnel device: net/ipv4/fib_frontend.c judges a packet
	// by the device it came in on, which after decapsulation is the tunnel.
	OnTunnel
)

// A Rule is one row of the profile: a setting, the value we write, the
// effective values that are right, and the reason.
type Rule struct {
	Family Family // the zero value is IPv4
	Name   string
	Want   int   // what is written
	Good   []int // effective values with which the path works as configured
	Where  Place
	// Shared is true if the key of "all" is ours to write as well. It is false
	// where the device's own key can always win: what hardening has set for the
	// other devices is then left alone.
	Shared bool
	Why    string // why the setting is needed
	Harm   func(effective int) (why string, critical bool)
}

// Profile returns the rules for a real server. rpFilter is the value wanted on
// the tunnel: 0 (no source validation) or 2 (loose, RFC 3704 section 2.4).
// Every other value is a programming error and is treated as 0.
//
// Source of all rows: Documentation/networking/ip-sysctl.rst.
func Profile(rpFilter int) []Rule {
	filter := Rule{
		Name: RPFilter, Want: 0, Good: []int{0}, Where: OnTunnel, Shared: true, Harm: rpFilterHarm,
		Why: "a decapsulated packet's way back is not through the tunnel, so a strict reverse path filter drops it",
	}
	if rpFilter == 2 {
		// max(all, device): with 2 on the device the value of all cannot matter.
		filter.Want, filter.Good, filter.Shared = 2, []int{2}, false
	}
	return []Rule{
		{
			Name: ARPIgnore, Want: 1, Good: []int{1, 2}, Where: OnNICs, Shared: true, Harm: arpIgnoreHarm,
			Why: "a NIC must not answer ARP for a VIP that sits on the tunnel: the director owns it on the wire",
		},
		{
			Name: ARPAnnounce, Want: 2, Good: []int{2}, Where: OnNICs, Shared: true, Harm: arpAnnounceHarm,
			Why: "an ARP request sent while answering from the VIP must carry the RIP, or neighbours learn the VIP at our address",
		},
		filter,
	}
}

func arpIgnoreHarm(effective int) (string, bool) {
	switch effective {
	case 8:
		return "8 answers no ARP at all: this host's own RIP becomes unreachable for new peers", true
	case 3:
		return "3 still answers ARP for addresses of global scope, so the VIP is answered for here and taken from the director", true
	}
	return "the NIC answers ARP for the VIP and takes it from the director", true
}

func arpAnnounceHarm(int) (string, bool) {
	return "ARP requests may carry the VIP as sender, and neighbours then send the VIP's traffic here past the director", true
}

func rpFilterHarm(effective int) (string, bool) {
	switch effective {
	case 0:
		return "no source validation, although the config asks for loose (2)", false
	case 2:
		return "loose filtering drops clients that this host has no route to", false
	}
	return "strict filtering drops every decapsulated packet, since its way back is not through the tunnel", true
}

// Effective returns the value that the kernel uses for a device: the larger of
// the value of all and the device's own (IN_DEV_MAXCONF in
// include/linux/inetdevice.h, used for all three names).
func Effective(all, device int) int { return max(all, device) }

// A Judgement is what a rule says about one device.
type Judgement struct {
	Effective int
	Good      bool
	// Culprits are the scopes (All or the device) whose keys must change to
	// Rule.Want for the effective value to become good. Empty if Good.
	Culprits []string
	Why      string // what the present value does; empty if Good
	Critical bool
}

// Judge tells whether the effective value on device is right, and if not,
// which keys must change: each key that is larger than what is wanted and not
// good by itself, since the larger of the two always wins; else, the value
// being too small, the key of all (or the device's own where all is not ours).
func (r Rule) Judge(device string, all, own int) Judgement {
	j := Judgement{Effective: Effective(all, own)}
	if slices.Contains(r.Good, j.Effective) {
		j.Good = true
		return j
	}
	j.Why, j.Critical = r.Harm(j.Effective)
	tooHigh := func(v int) bool { return v > r.Want && !slices.Contains(r.Good, v) }
	if tooHigh(all) {
		j.Culprits = append(j.Culprits, All)
	}
	if tooHigh(own) {
		j.Culprits = append(j.Culprits, device)
	}
	if len(j.Culprits) > 0 {
		return j
	}
	if r.Shared {
		j.Culprits = []string{All}
	} else {
		j.Culprits = []string{device}
	}
	return j
}

// Key returns the key of the setting for a scope.
func (r Rule) Key(scope string) Key { return Key{Family: r.Family, Scope: scope, Name: r.Name} }

// Managed returns the keys that the rules own outright, in the order in which
// they are written: for each rule all (where shared) and the tunnel. These are
// written once even when they are equal, because a later write to
// conf/default moves every device key that was never written.
func Managed(rules []Rule, tunnel string) []Key {
	var keys []Key
	for _, r := range rules {
		if r.Shared {
			keys = append(keys, r.Key(All))
		}
		keys = append(keys, r.Key(tunnel))
	}
	return keys
}

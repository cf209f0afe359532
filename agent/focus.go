package agent

import (
	"net/netip"
	"slices"

	"rsagent/sysctl"
)

// Focus returns d narrowed to some of its VIPs: what is asked for is then the
// tunnel, the settings, and these VIPs, and a reading for it may leave out the
// rest. It is how one event costs work in proportion to the change. What
// [Diff] says of a focused reading is what it says of a whole one, as far as it
// is about these things, and it plans nothing else.
func (d Desired) Focus(vips []netip.Addr) Desired {
	d.Focused = true
	d.VIPs = sorted(vips)
	return d
}

// Focus returns what a reading for the focused want must hold: the addresses
// of the tunnel other than the VIPs are left out, and so is the way out, but
// for the source.
func (o Observed) Focus(want Desired) Observed {
	tunnel, found := o.Tunnel()
	var addrs []Addr
	for _, a := range o.Addrs {
		if !found || a.Index != tunnel.Index || slices.Contains(want.VIPs, a.Prefix.Addr()) {
			addrs = append(addrs, a)
		}
	}
	o.Addrs, o.Gateways = addrs, nil
	return o
}

// A scope is what a hint makes us look at.
type scope struct {
	whole bool
	vips  []netip.Addr // if not: these VIPs, and the settings
}

// scope returns what a hint is about. Links change what the kernel does with
// any VIP, and so do other addresses.
func (d Desired) scope(h Hint, vips map[netip.Addr]bool) scope {
	var s scope
	if len(d.VIPs) == 0 || // without VIPs nothing is changed, which only a whole pass knows
		h.All || len(h.Links) > 0 || len(h.Addrs)+len(h.Keys)+len(h.Audit) == 0 {
		return scope{whole: true}
	}
	for _, a := range h.Addrs {
		if !vips[a] {
			return scope{whole: true}
		}
		s.vips = append(s.vips, a)
	}
	for _, k := range h.Keys {
		if k.Scope == sysctl.Default || !slices.Contains(sysctl.Names, k.Name) {
			return scope{whole: true}
		}
	}
	return s
}

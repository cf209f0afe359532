package agent

import (
	"maps"
	"net/netip"
	"slices"
)

// given returns the addresses that are recorded with the label they had.
func (b Baseline) given() map[netip.Prefix]bool {
	out := make(map[netip.Prefix]bool, len(b.Addrs))
	for _, f := range b.Addrs {
		if p, err := netip.ParsePrefix(f.Prefix); err == nil {
			out[p] = true
		}
	}
	return out
}

// foreignPrefixes returns the tunnel's addresses that are not ours.
func foreignPrefixes(tunnel Link, got Observed) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range got.Addrs {
		if a.Index == tunnel.Index && !Owned(a, tunnel.Name) {
			out = append(out, a.Prefix)
		}
	}
	return out
}

// recordAddrs records the addresses that are about to become ours, and how
// those among them looked that are there already and never were ours, in the
// order in which the device has them, so that they can go back in it.
func (b *Baseline) recordAddrs(got Observed, plan []Action) bool {
	// An older version did not record what was ours: a lost label may as well
	// be drift, which is not to be given back.
	known := b.Ours != nil || len(b.Pinned) == 0
	given, found := b.given(), map[netip.Prefix]bool{}
	var ours []netip.Prefix
	for _, a := range plan {
		switch a := a.(type) {
		case AddAddr:
			ours = append(ours, a.Prefix)
		case Relabel:
			found[a.Prefix] = known && !b.Ours[a.Prefix] && !given[a.Prefix]
			ours = append(ours, a.Prefix)
		}
	}
	before := len(b.Addrs)
	tunnel, _ := got.Tunnel()
	for _, a := range got.Addrs {
		switch {
		case a.Index != tunnel.Index:
		case found[a.Prefix]:
			b.Addrs = append(b.Addrs, foundAddr(a))
		case !known && Owned(a, tunnel.Name):
			ours = append(ours, a.Prefix)
		}
	}
	added := b.own(ours, known)
	return added || len(b.Addrs) > before
}

// own marks addresses as ours, and reports whether one was not. It leaves the
// map that others have alone.
func (b *Baseline) own(list []netip.Prefix, known bool) bool {
	list = slices.DeleteFunc(list, func(p netip.Prefix) bool { return b.Ours[p] || !p.IsValid() })
	if len(list) > 0 {
		b.Ours = maps.Clone(b.Ours)
	}
	if b.Ours == nil && (known || len(list) > 0) {
		b.Ours = map[netip.Prefix]bool{}
	}
	for _, p := range list {
		b.Ours[p] = true
	}
	return len(list) > 0
}

func foundAddr(a Addr) AddrFound {
	found := AddrFound{Prefix: a.Prefix.String(), Label: a.Label, Scope: a.Scope}
	if a.Broadcast.IsValid() {
		found.Broadcast = a.Broadcast.String()
	}
	return found
}

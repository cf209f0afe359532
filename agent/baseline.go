package agent

import (
	"maps"
	"net/netip"
	"slices"

	"rsagent/sysctl"
)

// A Baseline is what was found before rsagent changed it for the first time
// since the machine (or the network namespace) came up, and which keys have
// been written since. It is what [Teardown] goes back to.
//
// A value is recorded before it is first changed, and never again: what is
// found later may be our own.
type Baseline struct {
	Device  string             `json:"device,omitempty"`
	Link    *LinkFound         `json:"link,omitempty"`
	Sysctls map[sysctl.Key]int `json:"sysctls,omitempty"`
	Addrs   []AddrFound        `json:"addresses,omitempty"`
	// Adopted holds the keys written by us, with the index of the device they
	// were written on (0 for all): a device made anew has to be written anew.
	Adopted map[sysctl.Key]int `json:"adopted,omitempty"`
	// Lost is true if an earlier record could not be read: what was found
	// since may be our own.
	Lost bool `json:"lost,omitempty"`
}

// LinkFound is how the tunnel was found.
type LinkFound struct {
	Existed bool `json:"existed"`
	Up      bool `json:"up"`
	Created bool `json:"created,omitempty"` // by us, in a namespace without one
}

// AddrFound is a VIP that was on the tunnel before us, under another label.
type AddrFound struct {
	Prefix string `json:"prefix"`
	Label  string `json:"label"`
	// Broadcast is empty where there is none.
	Broadcast string `json:"broadcast,omitempty"`
	Scope     int    `json:"scope,omitempty"`
}

// Empty reports whether nothing was ever recorded.
func (b Baseline) Empty() bool { return b.Link == nil && len(b.Sysctls) == 0 && len(b.Addrs) == 0 }

// had reports whether the address was on the tunnel before us.
func (b Baseline) had(p netip.Prefix) bool {
	return slices.ContainsFunc(b.Addrs, func(f AddrFound) bool { return f.Prefix == p.String() })
}

// Record returns b with everything added that the plan is about to change for
// the first time, and whether anything was added. It must be stored before
// the plan is carried out.
func (b Baseline) Record(got Observed, plan []Action) (Baseline, bool) {
	before := b
	b = b.clone()
	changed := false
	for _, a := range plan {
		switch a := a.(type) {
		case LoadModule:
			changed = b.recordLink(a.Device, LinkFound{}) || changed
		case CreateTunnel:
			changed = b.recordLink(a.Device, LinkFound{Created: true}) || changed
		case LinkUp:
			changed = b.recordLink(a.Device, LinkFound{Existed: true}) || changed
		case SetSysctl:
			v, known := got.Sysctls[a.Key]
			if known && !b.recorded(got, a.Key) {
				b.Sysctls[a.Key] = v
				changed = true
			}
		}
	}
	changed = b.recordAddrs(got, plan) || changed
	if t, ok := got.Tunnel(); ok && len(plan) > 0 {
		changed = b.recordLink(t.Name, LinkFound{Existed: true, Up: t.Up}) || changed
	}
	if !changed {
		return before, false
	}
	return b, true
}

// Adopt returns b with the keys of the actions marked as written.
func (b Baseline) Adopt(got Observed, done []Action) (Baseline, bool) {
	before := b
	b = b.clone()
	for _, a := range done {
		if s, ok := a.(SetSysctl); ok {
			b.Adopted[s.Key] = indexOf(got, s.Key.Scope)
		}
	}
	if maps.Equal(before.Adopted, b.Adopted) {
		return before, false
	}
	return b, true
}

// AdoptedOn returns the keys that were written on the devices as they are now,
// under the names that the devices have now.
func (b Baseline) AdoptedOn(got Observed) map[sysctl.Key]bool {
	out := map[sysctl.Key]bool{}
	for key := range b.Adopted {
		if now, there := b.today(got, key); there {
			out[now] = true
		}
	}
	return out
}

// today returns the name that a key has now: a device that was renamed takes
// its settings along. It reports false if the device is gone or made anew.
func (b Baseline) today(got Observed, key sysctl.Key) (sysctl.Key, bool) {
	index, adopted := b.Adopted[key]
	if key.Scope == sysctl.All || !adopted {
		_, there := got.Sysctls[key]
		return key, there
	}
	for _, l := range got.Links {
		if l.Index == index {
			return sysctl.Key{Scope: l.Name, Name: key.Name}, true
		}
	}
	return key, false
}

// recorded reports whether the value found for a key is known, be it under a
// former name of the device.
func (b Baseline) recorded(got Observed, key sysctl.Key) bool {
	if _, ok := b.Sysctls[key]; ok {
		return true
	}
	for old := range b.Sysctls {
		if now, there := b.today(got, old); there && now == key {
			return true
		}
	}
	return false
}

func indexOf(got Observed, scope string) int {
	if scope == sysctl.All {
		return 0
	}
	if l, ok := got.Link(scope); ok {
		return l.Index
	}
	return -1
}

func (b *Baseline) recordLink(device string, found LinkFound) bool {
	if b.Link != nil {
		return false
	}
	b.Device, b.Link = device, &found
	return true
}

// recordAddrs records the addresses that are about to get our label, in the
// order in which the device has them, so that they can go back in it.
func (b *Baseline) recordAddrs(got Observed, plan []Action) bool {
	if len(b.Adopted) > 0 {
		return false // where we have been before, a lost label is drift and not the past
	}
	relabelled := map[netip.Prefix]bool{}
	for _, a := range plan {
		if a, ok := a.(Relabel); ok {
			relabelled[a.Prefix] = true
		}
	}
	for _, known := range b.Addrs { // under whatever label it is now
		if prefix, err := netip.ParsePrefix(known.Prefix); err == nil {
			delete(relabelled, prefix)
		}
	}
	before := len(b.Addrs)
	tunnel, _ := got.Tunnel()
	for _, a := range got.Addrs {
		if a.Index == tunnel.Index && relabelled[a.Prefix] {
			found := AddrFound{Prefix: a.Prefix.String(), Label: a.Label, Scope: a.Scope}
			if a.Broadcast.IsValid() {
				found.Broadcast = a.Broadcast.String()
			}
			b.Addrs = append(b.Addrs, found)
		}
	}
	return len(b.Addrs) > before
}

func (b Baseline) clone() Baseline {
	b.Sysctls, b.Adopted = maps.Clone(b.Sysctls), maps.Clone(b.Adopted)
	if b.Sysctls == nil {
		b.Sysctls = map[sysctl.Key]int{}
	}
	if b.Adopted == nil {
		b.Adopted = map[sysctl.Key]int{}
	}
	b.Addrs = slices.Clone(b.Addrs)
	return b
}

package agent

import (
	"maps"
	"net/netip"
	"slices"

	"rsagent/sysctl"
)

// A Baseline is what was found before rsagent changed it for the first time
// since the machine (or the network namespace) came up, and which keys and
// addresses have been written since. It is what [Teardown] goes back to.
//
// A value is recorded before it is first changed, and never again: what is
// found later may be our own.
type Baseline struct {
	Device  string             `json:"device,omitempty"`
	Link    *LinkFound         `json:"link,omitempty"`
	Sysctls map[sysctl.Key]int `json:"sysctls,omitempty"`
	Addrs   []AddrFound        `json:"addresses,omitempty"`
	// Others are the addresses that were on the tunnel at first contact.
	Others []netip.Prefix `json:"others,omitempty"`
	// Ours are the addresses that we have put on the tunnel or marked there,
	// so that one that has lost its mark is drift and not the past. It is nil
	// before anything was changed, and in the records of versions without it.
	Ours map[netip.Prefix]bool `json:"ours"`
	// Pinned holds the keys written by us, with the index of the device they
	// were written on (0 for all): they no longer follow default, and a device
	// made anew has to be written anew.
	Pinned map[sysctl.Key]int `json:"adopted,omitempty"`
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

// Record returns b with everything added that the plan is about to change for
// the first time, and whether anything was added. It must be stored before
// the plan is carried out.
func (b Baseline) Record(got Observed, plan []Action) (Baseline, bool) {
	before := b
	b = b.clone()
	changed := false
	if t, ok := got.Tunnel(); ok && len(plan) > 0 && b.recordLink(t.Name, LinkFound{Existed: true, Up: t.Up}) {
		b.Others = foreignPrefixes(t, got)
		changed = true
	}
	for _, a := range plan {
		switch a := a.(type) {
		case LoadModule:
			changed = b.recordLink(a.Device, LinkFound{}) || changed
		case CreateTunnel:
			changed = b.recordLink(a.Device, LinkFound{Created: true}) || changed
		case SetSysctl:
			v, known := got.Sysctls[a.Key]
			if known && !b.hasOriginal(got, a.Key) {
				b.recordSysctl(got, a.Key, v)
				changed = true
			}
		}
	}
	changed = b.recordAddrs(got, plan) || changed
	if !changed {
		return before, false
	}
	return b, true
}

// Pin returns b with what the actions wrote marked as written, and whether
// that changes it.
func (b Baseline) Pin(got Observed, done []Action) (Baseline, bool) {
	before := b
	b = b.clone()
	tunnel, _ := got.Tunnel()
	var removed []netip.Prefix // what comes back after that is another's
	for _, a := range done {
		switch a := a.(type) {
		case SetSysctl:
			b.Pinned[a.Key] = indexOf(got, a.Key.Scope)
		case DelAddr:
			if a.Device == tunnel.Name && b.Ours[a.Prefix] {
				removed = append(removed, a.Prefix)
			}
		}
	}
	if len(removed) > 0 {
		b.Ours = maps.Clone(b.Ours)
		for _, p := range removed {
			delete(b.Ours, p)
		}
	} else if maps.Equal(before.Pinned, b.Pinned) {
		return before, false
	}
	return b, true
}

// PinnedOn returns the keys that were written on the devices as they are now,
// under the names that the devices have now.
func (b Baseline) PinnedOn(got Observed) map[sysctl.Key]bool {
	out := map[sysctl.Key]bool{}
	for key := range b.Pinned {
		if now, there := b.currentKey(got, key); there {
			out[now] = true
		}
	}
	return out
}

// currentKey returns the name that a key has now: a device that was renamed
// takes its settings along. It reports false if the device is gone or made anew.
func (b Baseline) currentKey(got Observed, key sysctl.Key) (sysctl.Key, bool) {
	index, pinned := b.Pinned[key]
	if key.Scope == sysctl.All || !pinned {
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

// hasOriginal reports whether the value that a key had before us is recorded,
// be it under a former name of the device. A device that took the name of
// another has values of its own, but for the tunnel, whose values are those of
// the first one: we make it anew ourselves.
func (b Baseline) hasOriginal(got Observed, key sysctl.Key) bool {
	if _, ok := b.Sysctls[key]; ok && (key.Scope == b.Device || !b.stale(got, key)) {
		return true
	}
	for old := range b.Sysctls {
		if now, there := b.currentKey(got, old); there && now == key {
			return true
		}
	}
	return false
}

// stale reports whether the key was written on another device of that name.
func (b Baseline) stale(got Observed, key sysctl.Key) bool {
	index, pinned := b.Pinned[key]
	return pinned && index != indexOf(got, key.Scope)
}

// recordSysctl records a value. What is recorded under the key for a device
// that has another name by now moves to that name.
func (b *Baseline) recordSysctl(got Observed, key sysctl.Key, value int) {
	if b.stale(got, key) {
		if now, there := b.currentKey(got, key); there {
			b.Sysctls[now], b.Pinned[now] = b.Sysctls[key], b.Pinned[key]
		}
		delete(b.Pinned, key)
	}
	b.Sysctls[key] = value
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

func (b Baseline) clone() Baseline {
	b.Sysctls, b.Pinned = maps.Clone(b.Sysctls), maps.Clone(b.Pinned)
	if b.Sysctls == nil {
		b.Sysctls = map[sysctl.Key]int{}
	}
	if b.Pinned == nil {
		b.Pinned = map[sysctl.Key]int{}
	}
	b.Addrs = slices.Clone(b.Addrs)
	return b
}

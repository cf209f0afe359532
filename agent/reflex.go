package agent

import (
	"maps"
	"net/netip"
	"slices"

	"rsagent/sysctl"
)

// A Standing is what a pass has left in perfect order, so that it is known what
// the next one will do when one thing of it is undone and nothing else has
// changed. A Kernel may do that at once, see Kernel.Stand: the pass, which
// reads before it decides and looks again when it has acted, then verifies it
// and gives account of it. It is immutable and safe for concurrent use.
type Standing struct {
	// Hold is Store.Try of the store that the pass used.
	Hold func() (release func(), free bool)

	differ   *differ // knows no VIPs, and of the addresses only those elsewhere
	vips     map[netip.Addr]bool
	adds     bool // addresses may be added
	keys     []sysctl.Key
	settings map[SetSysctl]SetSysctl // what somebody writes to keys, and the answer
}

// A Reflex is a repair that a Kernel made by a Standing.
type Reflex struct {
	Fix Action // an AddAddr or a SetSysctl
	Got int    // the value that a SetSysctl found
}

// Gone returns what a pass would do if the address was the only difference.
// It reports false for one that is not a VIP of ours, or where that takes more
// than to add it again.
func (s *Standing) Gone(a Addr) (AddAddr, bool) {
	d, vip := s.differ, a.Prefix.Addr()
	if !s.adds || !s.vips[vip] || !d.inPlace(a) || a.Label != Label(d.device) || a.Special || d.obstacle(vip) != "" {
		return AddAddr{}, false
	}
	return d.addition(vip), true
}

// Written returns what a pass would do if the setting's value was the only
// difference. It reports false where that is not to write this setting again.
func (s *Standing) Written(key sysctl.Key, value int) (SetSysctl, bool) {
	fix, found := s.settings[SetSysctl{key, value}]
	return fix, found
}

// Keys returns the settings that Written may answer for; they depend on what is
// wanted, and not on the values of now.
func (s *Standing) Keys() []sysctl.Key { return s.keys }

// allows reports whether the action may be done.
func (d Desired) allows(a Repair) bool {
	do, would := d.splitByPolicy([]Repair{a})
	return len(do) == 1 && len(would) == 0
}

// renew returns what stands after a whole pass: s, if it is nothing else, or
// nil where the pass left anything to do or to wish for but what is not ours
// to change. s may be nil, and is for the same want and vips.
func (s *Standing) renew(p *pass, r Report, vips map[netip.Addr]bool) *Standing {
	if len(p.want.VIPs) == 0 || len(r.Plan)+len(r.Would)+len(r.Conflicts) > 0 || r.State() > Warning {
		return nil
	}
	want := p.want.Focus(nil)
	d := newDiffer(want, p.got.Focus(want))
	switch {
	case !d.found, slices.ContainsFunc(p.got.Addrs, func(a Addr) bool { return a.Special && a.Index == d.tunnel.Index }):
		return nil // a VIP may be there twice, with a peer and without
	case s != nil && s.differ.alike(d):
		return s
	}
	_, unrecorded := p.base.Record(p.got, []Action{AddAddr{}})
	adds := !unrecorded && want.allows(Repair{Subject{Kind: KindVIP}, AddAddr{}})
	s = &Standing{Hold: p.store.Try, differ: d, vips: vips, adds: adds, settings: map[SetSysctl]SetSysctl{}}
	for _, key := range sysctl.Managed(want.Rules(), d.device) {
		if key.Name == sysctl.RPFilter { // the others are not announced when they are written
			s.keys = append(s.keys, key)
			s.answer(p.base, key)
		}
	}
	return s
}

// alike reports whether two readings tell the same, for the same want.
func (d *differ) alike(e *differ) bool {
	a, b := d.got, e.got
	return slices.Equal(a.Links, b.Links) && slices.Equal(a.Addrs, b.Addrs) &&
		maps.Equal(a.Sysctls, b.Sysctls) && maps.Equal(a.Adopted, b.Adopted)
}

// answer finds out what a pass would do about each other value of a setting.
func (s *Standing) answer(base Baseline, key sysctl.Key) {
	want, got := s.differ.want, s.differ.got
	for _, value := range []int{0, 1, 2} { // all that mean anything (ip-sysctl.rst)
		other := got.with(key, value)
		plan := Plan(Diff(want, other))
		if value == got.Sysctls[key] || len(plan) != 1 || !want.allows(plan[0]) {
			continue
		}
		fix, isSetting := plan[0].Action.(SetSysctl)
		if _, unrecorded := base.Record(other, Actions(plan)); isSetting && fix.Key == key && !unrecorded {
			s.settings[SetSysctl{key, value}] = fix
		}
	}
}

func (o Observed) with(key sysctl.Key, value int) Observed {
	o.Sysctls = maps.Clone(o.Sysctls)
	o.Sysctls[key] = value
	return o
}

// before returns o as it was before the reflexes.
func (o Observed) before(list []Reflex) Observed {
	tunnel, _ := o.Tunnel()
	for _, r := range slices.Backward(list) {
		switch fix := r.Fix.(type) {
		case AddAddr:
			o.Addrs = slices.DeleteFunc(slices.Clone(o.Addrs), func(a Addr) bool {
				return a.Index == tunnel.Index && a.Prefix == fix.Prefix
			})
		case SetSysctl:
			o = o.with(fix.Key, r.Got)
		}
	}
	return o
}

// found fills in what was found, and done about it by reflex.
func (p *pass) found(r *Report, got Observed, findings []Finding) {
	r.Before, p.accounted = findings, got.Sysctls != nil // else there is no reading
	if len(p.mended) == 0 || !p.accounted {
		return
	}
	r.Before = Diff(p.want, got.before(p.mended))
	fixes := Plan(r.Before)
	for _, m := range p.mended {
		i := slices.IndexFunc(fixes, func(f Repair) bool { return f.Action == m.Fix })
		if i >= 0 { // it is still asked for
			r.Done = append(r.Done, Step{Repair: fixes[i]})
		}
	}
}

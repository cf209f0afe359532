package agent

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rsagent/sysctl"
)

func (d *differ) sysctlFindings() {
	for _, rule := range d.want.Rules() {
		d.rule(rule)
	}
}

// A complaint gathers the devices on which a rule is broken by the same key.
type complaint struct {
	key     sysctl.Key
	devices []string
	sysctl.Judgement
	all, own int // of the first device
}

func (d *differ) rule(r sysctl.Rule) {
	all, readable := d.got.Sysctls[sysctl.Key{Scope: sysctl.All, Name: r.Name}]
	if !readable {
		d.blind(r, sysctl.Key{Scope: sysctl.All, Name: r.Name})
		return
	}
	var broken []complaint
	var good []string // devices, for the row when nothing is broken
	devices := d.devices(r)
	for _, dev := range devices {
		own, readable := d.own(r, dev)
		if !readable {
			d.blind(r, sysctl.Key{Scope: dev, Name: r.Name})
			continue
		}
		j := r.Judge(dev, all, own)
		if j.Good {
			good = append(good, dev)
			continue
		}
		broken = complain(broken, r, dev, all, own, j)
	}
	if !d.found { // the keys of a device to come are set when it is there
		broken = slices.DeleteFunc(broken, func(c complaint) bool { return c.key.Scope == d.device })
	}
	for _, c := range broken {
		d.complaint(r, c)
	}
	if len(broken) == 0 && len(good) > 0 && (d.found || r.Where == sysctl.OnNICs) {
		d.goodRow(r, all, good)
	}
	d.adopt(r, broken)
}

// devices returns the names of the devices on which the rule counts.
func (d *differ) devices(r sysctl.Rule) []string {
	if r.Where == sysctl.OnTunnel {
		return []string{d.device}
	}
	var names []string
	for _, l := range d.got.Links {
		if l.ARP {
			names = append(names, l.Name)
		}
	}
	return names
}

// own returns the device's own value. That of a tunnel to come is unknown and
// taken as 0: it will be written before it counts.
func (d *differ) own(r sysctl.Rule, dev string) (int, bool) {
	if !d.found && dev == d.device {
		return 0, true
	}
	v, ok := d.got.Sysctls[sysctl.Key{Scope: dev, Name: r.Name}]
	return v, ok
}

func (d *differ) blind(r sysctl.Rule, key sysctl.Key) {
	if r.Where == sysctl.OnNICs {
		d.arpBlind = true
	}
	s := SubjectOf(key)
	if d.gap(s) {
		return // said there, with its reason
	}
	d.add(Finding{
		Subject: s, Severity: Unknown, Want: strconv.Itoa(r.Want), Got: "could not tell",
		Why: "the key could not be read.",
		Row: &Row{"sysctl", r.Name, on(r.Want, []string{key.Scope}), "could not tell"},
	})
}

func (d *differ) gap(s Subject) bool {
	return slices.ContainsFunc(d.got.Gaps, func(g Gap) bool { return g.Subject == s })
}

func complain(list []complaint, r sysctl.Rule, dev string, all, own int, j sysctl.Judgement) []complaint {
	for _, scope := range j.Culprits {
		key := sysctl.Key{Scope: scope, Name: r.Name}
		i := slices.IndexFunc(list, func(c complaint) bool { return c.key == key })
		if i < 0 {
			list = append(list, complaint{key: key, devices: []string{dev}, Judgement: j, all: all, own: own})
			continue
		}
		list[i].devices = append(list[i].devices, dev)
	}
	return list
}

func (d *differ) complaint(r sysctl.Rule, c complaint) {
	severity := Warning
	if c.Critical {
		severity = Critical
		d.filtered = d.filtered || r.Where == sysctl.OnTunnel
	}
	got := c.all
	if c.key.Scope != sysctl.All {
		got = c.own
	}
	d.add(Finding{
		Subject: SubjectOf(c.key), Severity: severity,
		Want: strconv.Itoa(r.Want), Got: strconv.Itoa(got),
		Why: c.explain(r),
		Fix: SetSysctl{c.key, r.Want},
		Row: &Row{"sysctl", r.Name, on(r.Want, c.devices), formula(c.all, c.own, c.devices[0])},
	})
}

// explain says which key decides, and why changing another would not help.
func (c complaint) explain(r sysctl.Rule) string {
	dev := c.devices[0]
	larger := fmt.Sprintf("the larger of all (%d) and %s (%d) counts", c.all, dev, c.own)
	switch {
	case c.key.Scope == sysctl.All && c.all > r.Want && c.own <= r.Want:
		return fmt.Sprintf("%s: %s. Changing %s alone cannot win.", larger, c.Why, dev)
	case c.key.Scope == sysctl.All && c.all > r.Want:
		return fmt.Sprintf("%s: %s. Both must change.", larger, c.Why)
	case c.key.Scope == sysctl.All:
		return fmt.Sprintf("%s: %s. The key of all covers every device, later ones too; that of the tunnel does nothing here.", larger, c.Why)
	case len(c.Culprits) > 1:
		return fmt.Sprintf("%s: %s. Both must change.", larger, c.Why)
	case c.own > r.Want:
		return fmt.Sprintf("%s: %s. Changing all alone cannot win.", larger, c.Why)
	}
	return fmt.Sprintf("%s: %s.", larger, c.Why)
}

func (d *differ) goodRow(r sysctl.Rule, all int, devices []string) {
	own, _ := d.own(r, devices[0])
	f := Finding{Subject: SubjectOf(sysctl.Key{Scope: sysctl.All, Name: r.Name}), Want: strconv.Itoa(r.Want), Got: strconv.Itoa(sysctl.Effective(all, own))}
	if !d.want.Focused { // of which nobody makes a table
		got := formula(all, own, devices[0])
		if len(devices) > 1 {
			got = "good on each of them"
		}
		f.Row = &Row{"sysctl", r.Name, on(r.Want, devices), got}
	}
	d.add(f)
}

// adopt adds the keys that are in order and still have to be written once on
// their present device. A value that is good stays what it is.
func (d *differ) adopt(r sysctl.Rule, broken []complaint) {
	if d.want.Policy.ReportSysctl {
		return // never to be written by us
	}
	for _, key := range sysctl.Managed([]sysctl.Rule{r}, d.device) {
		complained := slices.ContainsFunc(broken, func(c complaint) bool { return c.key == key })
		if d.got.Adopted[key] || complained {
			continue
		}
		value := r.Want
		v, readable := d.got.Sysctls[key]
		if !readable && d.found || d.gap(SubjectOf(key)) {
			continue // a finding already
		}
		if readable && slices.Contains(r.Good, v) {
			value = v
		}
		d.add(Finding{
			Subject: SubjectOf(key), Want: strconv.Itoa(value), Got: "never written by us",
			Fix: SetSysctl{key, value},
		})
	}
}

func on(want int, devices []string) string {
	if len(devices) > 2 {
		return fmt.Sprintf("%d on %d devices", want, len(devices))
	}
	return strconv.Itoa(want) + " on " + strings.Join(devices, ", ")
}

func formula(all, own int, dev string) string {
	n := strconv.Itoa
	return n(sysctl.Effective(all, own)) + " = max(all " + n(all) + ", " + dev + " " + n(own) + ")"
}

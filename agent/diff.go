package agent

import (
	"fmt"
	"net/netip"
	"slices"

	"rsagent/sysctl"
)

// Diff compares what is wanted with what was observed. All policy is here. It
// is total and pure, and the order of its findings is fixed: tunnel, settings,
// addresses, verdicts, surroundings, replays, gaps. Findings that are in order are
// included, so that a table can show them; [NotOK] leaves them out. want must
// be in normal form.
//
// Two rules keep a pass from doing harm. A VIP gets no fix while the ARP
// settings cannot be read, or while the host answers ARP for it elsewhere. And
// when no VIP at all is in place or can be put in place, nothing has a fix:
// settings are changed for the sake of a VIP, never by themselves.
func Diff(want Desired, got Observed) []Finding {
	d := newDiffer(want, got)
	d.tunnelFindings()
	d.sysctlFindings()
	d.addressFindings()
	d.verdictFindings()
	if !want.Focused {
		d.surroundings()
		d.persistFindings()
	}
	d.gaps()
	if !want.Focused && d.hopeless() {
		d.withhold()
	}
	return d.out
}

type differ struct {
	want      Desired
	got       Observed
	tunnel    Link // zero if there is none
	found     bool
	device    string // the tunnel's name here
	wanted    map[netip.Addr]bool
	byAddr    map[netip.Addr][]Addr
	present   map[netip.Addr]bool // VIPs that are on the tunnel as /32
	blocked   map[netip.Addr]string
	rips      map[netip.Addr]string // this host's own addresses and their devices
	connected []netip.Prefix        // networks that this host is in
	arpBlind  bool                  // an ARP setting could not be read
	filtered  bool                  // rp_filter is known to drop the path
	named     map[addrPlace]bool    // that have a finding
	networks  map[network][]int     // positions in got.Addrs, in the kernel's order; made when needed
	out       []Finding
}

// A network is a connected network on a device.
type network struct {
	index  int
	prefix netip.Prefix
}

func newDiffer(want Desired, got Observed) *differ {
	got.Addrs = placed(got)
	d := &differ{
		want: want, got: got, device: got.device(want),
		wanted:  map[netip.Addr]bool{},
		byAddr:  make(map[netip.Addr][]Addr, len(got.Addrs)),
		present: map[netip.Addr]bool{},
		blocked: map[netip.Addr]string{},
		rips:    ownAddresses(got), connected: connected(got),
		named: map[addrPlace]bool{},
	}
	d.tunnel, d.found = got.Tunnel()
	for _, vip := range want.VIPs {
		d.wanted[vip] = true
	}
	for _, a := range got.Addrs {
		d.byAddr[a.Prefix.Addr()] = append(d.byAddr[a.Prefix.Addr()], a)
	}
	for _, vip := range want.VIPs {
		d.present[vip] = slices.ContainsFunc(d.byAddr[vip], d.inPlace)
		d.blocked[vip] = d.obstacle(vip)
	}
	return d
}

// placed leaves out addresses of devices that are not in the reading: they
// came or went between its parts, and the next reading tells.
func placed(got Observed) []Addr {
	known := make(map[int]bool, len(got.Links))
	for _, l := range got.Links {
		known[l.Index] = true
	}
	lost := func(a Addr) bool { return !known[a.Index] }
	if !slices.ContainsFunc(got.Addrs, lost) {
		return got.Addrs
	}
	return slices.DeleteFunc(slices.Clone(got.Addrs), lost)
}

func (d *differ) add(f Finding) { d.out = append(d.out, f) }

// ok adds a row that is in order. In a table what was got says it all.
func (d *differ) ok(s Subject, subject, name, want, got string) {
	d.add(Finding{Subject: s, Want: want, Got: got, Row: &Row{subject, name, "", got}})
}

// inPlace reports whether a is an address as a VIP must be: /32, on the tunnel.
func (d *differ) inPlace(a Addr) bool {
	return d.found && a.Index == d.tunnel.Index && a.Prefix.Bits() == 32
}

// obstacle says why a VIP must not be put in place, or "".
func (d *differ) obstacle(vip netip.Addr) string {
	if l, taken := d.squatter(); taken {
		return fmt.Sprintf("%s is in the tunnel's place", l.Name)
	}
	if len(d.device) > MaxDevice {
		return fmt.Sprintf("the tunnel is named %s here, which is too long for our label (%d characters at most)", d.device, MaxDevice)
	}
	if why := conflict(vip, d.connected, d.rips); why != "" {
		return "it " + why
	}
	for _, a := range d.byAddr[vip] {
		if l := d.got.linkByIndex(a.Index); l.ARP && !d.want.RemoveStrays {
			return fmt.Sprintf("it is on %s, where this host answers ARP for it", l.Name)
		}
	}
	return ""
}

// hopeless reports whether no VIP is in place and none can be put there.
func (d *differ) hopeless() bool {
	return !slices.ContainsFunc(d.want.VIPs, func(vip netip.Addr) bool {
		return d.present[vip] || d.blocked[vip] == "" && !d.arpBlind
	})
}

// withhold takes the fixes away, and the findings that were nothing else.
func (d *differ) withhold() {
	kept := d.out[:0]
	for _, f := range d.out {
		if f.Fix != nil && f.Fix.Phase() != PhaseRemove {
			f.Fix = nil
		}
		if f.Fix != nil || f.Row != nil {
			kept = append(kept, f)
		}
	}
	d.out = kept
}

func (d *differ) verdictFindings() {
	if !d.found || !d.tunnel.Up || d.filtered {
		return // the cause is a finding already
	}
	for _, vip := range d.want.VIPs {
		v, known := d.got.Verdicts[vip]
		if !d.present[vip] || !known {
			continue
		}
		d.verdict(vip, v)
	}
}

func (d *differ) verdict(vip netip.Addr, v Verdict) {
	f := Finding{Subject: Subject{Kind: KindRoute, VIP: vip}, Want: "local", Got: "local", Row: &Row{"route", vip.String(), "", "local"}}
	switch {
	case v.OnLinkOnly && d.loose():
		f.Severity, f.Got = Warning, "local for clients on link only"
		f.Why = "loose filtering drops a client that this host has no route to, and there is no default route."
	case !v.Local || v.OnLinkOnly:
		f.Severity, f.Got = Critical, v.Text
		f.Why = "the kernel, asked what it would do with a packet for the VIP that comes out of the tunnel, does not say \"local\"; look at ip rule, ip route show table local, and rp_filter."
	}
	if f.Severity != OK {
		f.Row.Want, f.Row.Got = "local", f.Got
	}
	d.add(f)
}

// loose reports whether loose filtering without a default route explains that
// clients from afar are refused.
func (d *differ) loose() bool {
	all := d.got.Sysctls[sysctl.Key{Scope: sysctl.All, Name: sysctl.RPFilter}]
	own := d.got.Sysctls[sysctl.Key{Scope: d.device, Name: sysctl.RPFilter}]
	return sysctl.Effective(all, own) > 1 && len(d.got.Gateways) == 0
}

// surroundings looks at what is not ours to change but breaks the path or
// leaks: the gateway, the source address, who may send.
func (d *differ) surroundings() {
	d.gateway()
	if d.wanted[d.got.Source] {
		d.add(Finding{
			Subject: Subject{Kind: KindSource, VIP: d.got.Source}, Severity: Warning, Want: "the RIP", Got: d.got.Source.String(),
			Why: "this host's own connections leave with the VIP as source, and their answers go to the director; give the outgoing interface an address, or the route a src.",
			Row: &Row{"source", d.got.Source.String(), "not chosen", "source of our own traffic"},
		})
	}
	if d.want.AnySender {
		d.add(Finding{
			Subject: Subject{Kind: KindSenders}, Severity: Warning, Want: "known directors", Got: "anyone",
			Why: "IPIP knows no authentication: whoever reaches this host can put packets into it; name the directors in the config.",
			Row: &Row{"senders", "directors", "named", "anyone may tunnel to us"},
		})
	}
}

// gateway makes one finding of all next hops: about the first that must not be
// one, else about the first.
func (d *differ) gateway() {
	for _, g := range d.got.Gateways {
		role := ""
		switch {
		case slices.Contains(d.want.Directors, g.Via):
			role = "a director"
		case d.wanted[g.Via]:
			role = "a VIP"
		default:
			continue
		}
		d.add(Finding{
			Subject: Subject{Kind: KindGateway, Device: g.Device}, Severity: Warning, Want: "not a director", Got: g.String(),
			Why: fmt.Sprintf("the gateway is %s: replies would go through the director, which drops packets from its own address, the VIP; route through a router.", role),
			Row: &Row{"gateway", g.Via.String(), "not a director", g.String()},
		})
		return
	}
	if len(d.got.Gateways) > 0 {
		g := d.got.Gateways[0]
		d.ok(Subject{Kind: KindGateway, Device: g.Device}, "gateway", g.Via.String(), "not a director", g.String())
	}
}

func (d *differ) gaps() {
	for _, g := range d.got.Gaps {
		subject, name := g.row()
		d.add(Finding{
			Subject: g.Subject, Severity: Unknown, Want: "readable", Got: "could not tell",
			Why: g.Err + ".",
			Row: &Row{subject, name, "readable", "could not tell"},
		})
	}
}

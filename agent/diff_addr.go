package agent

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"rsagent/sysctl"
)

func (d *differ) addressFindings() {
	for _, vip := range d.want.VIPs {
		d.vip(vip)
		for _, a := range d.byAddr[vip] {
			if !d.inPlace(a) {
				d.stray(vip, a)
			}
		}
	}
	d.others()
}

// vip looks at the address where it must be.
func (d *differ) vip(vip netip.Addr) {
	prefix := netip.PrefixFrom(vip, 32)
	f := Finding{
		Subject: d.addrSubject(KindVIP, d.device, prefix), Want: "present", Got: "present",
		Row: &Row{"address", vip.String(), "on " + d.device, "present"},
	}
	i := slices.IndexFunc(d.byAddr[vip], func(a Addr) bool { return d.inPlace(a) && a.Label == Label(d.device) })
	if i < 0 { // else one under another label
		i = slices.IndexFunc(d.byAddr[vip], d.inPlace)
	}
	switch {
	case i < 0:
		f.Severity, f.Got, f.Row.Got = Critical, "absent", "absent"
		f.Why = d.absence()
		f.Fix = d.addition(vip)
		if why := d.blocked[vip]; why != "" {
			f.Fix, f.Why = nil, f.Why+" It is not added, because "+why+"."
		} else if d.arpBlind {
			f.Fix, f.Why = nil, f.Why+" It is not added, because the ARP settings could not be read."
		}
	case d.byAddr[vip][i].Label != Label(d.device):
		f.Severity, f.Want, f.Got = Warning, "label "+Label(d.device), "label "+d.byAddr[vip][i].Label
		f.Row.Got = "present, " + f.Got
		f.Why = "it works, but without the label it is not known as ours, and would stay when it leaves the config."
		f.Fix = Relabel{d.device, prefix, Label(d.device)}
		switch {
		case len(d.device) > MaxDevice:
			f.Fix, f.Why = nil, f.Why+fmt.Sprintf(" The name %s is too long for our label (%d characters at most), so it is left as it is.", d.device, MaxDevice)
		case d.byAddr[vip][i].Special:
			f.Fix, f.Why = nil, f.Why+" It has a peer or a lifetime, so it is left as it is."
		}
	}
	d.add(f)
}

// addition puts a VIP in its place.
func (d *differ) addition(vip netip.Addr) AddAddr {
	return AddAddr{Device: d.device, Prefix: netip.PrefixFrom(vip, 32), Label: Label(d.device)}
}

// absence says what the kernel does with a VIP's packets while it is missing.
func (d *differ) absence() string {
	if d.got.Sysctls[sysctl.Key{Scope: sysctl.All, Name: "forwarding"}] != 0 {
		return "packets for the VIP are not ours, and since this host forwards it sends them out again: they can loop between here and the director."
	}
	return "packets for the VIP are not ours, so the kernel drops them."
}

// stray looks at a VIP that is somewhere else, or with another prefix.
func (d *differ) stray(vip netip.Addr, a Addr) {
	l := d.got.linkByIndex(a.Index)
	f := Finding{
		Subject: d.addrSubject(KindStray, l.Name, a.Prefix), Severity: Critical, Want: "absent", Got: "present as " + a.Prefix.String(),
		Row: &Row{"address", vip.String(), "not on " + l.Name, "present as " + a.Prefix.String()},
	}
	ours := a.Label == Label(l.Name)
	device, own := d.rips[vip]
	switch {
	case d.found && l.Index == d.tunnel.Index:
		f.Severity, f.Want = Warning, "present as /32 only"
		f.Why = fmt.Sprintf("the prefix sends replies to all of %s into the tunnel.", a.Prefix.Masked())
	case own && device == l.Name:
		f.Why = fmt.Sprintf("it is this host's own address (its RIP): a VIP must be another one. Take %s out of the config.", vip)
		d.add(f)
		return
	case l.ARP:
		f.Why = fmt.Sprintf("this host answers ARP for the VIP on %s, and so takes it from the director.", l.Name)
	case l.Name == "lo":
		f.Severity = Warning
		f.Why = "the VIP is served from lo as well; it stays local when it is taken off the tunnel."
	default:
		f.Why = fmt.Sprintf("the VIP is on %s as well; it stays local when it is taken off the tunnel.", l.Name)
	}
	switch {
	case d.carries(a):
		f.Why += carried
	case d.want.RemoveStrays || ours:
		f.Fix = DelAddr{l.Name, a.Prefix, a.Peer}
	default:
		f.Why += " It is not ours to remove; \"stray_vips: remove\" in the config makes it ours."
	}
	d.add(f)
}

// addrSubject names an address on a device; one that is there with several
// prefix lengths gets them added from the second on.
func (d *differ) addrSubject(k Kind, device string, p netip.Prefix) Subject {
	place := addrPlace{device, p.Addr()}
	s := Subject{Kind: k, Device: device, VIP: p.Addr()}
	if d.named[place] {
		s.Bits = p.Bits()
	}
	d.named[place] = true
	return s
}

// An addrPlace is an address on a device.
type addrPlace struct {
	device string
	addr   netip.Addr
}

// carries reports whether other addresses on the device would go with a: the
// kernel deletes the secondary addresses of a network together with its
// primary, the first one (promote_secondaries, ip-sysctl.rst).
// A focused reading has not all addresses of the tunnel, so there it may be.
func (d *differ) carries(a Addr) bool {
	if d.want.Focused && d.found && a.Index == d.tunnel.Index && a.Prefix.Bits() < 32 {
		return true
	}
	if d.networks == nil {
		d.networks = map[network][]int{}
		for i, b := range d.got.Addrs {
			n := network{b.Index, b.Prefix.Masked()}
			d.networks[n] = append(d.networks[n], i)
		}
	}
	members := d.networks[network{a.Index, a.Prefix.Masked()}]
	return len(members) > 1 && d.got.Addrs[members[0]] == a
}

// carried is the sentence for an address that is not removed for that reason.
const carried = " Removing it would take the other addresses of its network with it, so that is left to you."

// others looks at the tunnel's addresses that are no VIPs.
func (d *differ) others() {
	for _, a := range d.got.Addrs {
		addr := a.Prefix.Addr()
		// 127.0.0.42/32 and the like are placeholders, which some recipes give
		// to a tunnel so that loose filtering works.
		if !d.found || a.Index != d.tunnel.Index || d.wanted[addr] || addr.IsLoopback() {
			continue
		}
		f := Finding{
			Subject: d.addrSubject(KindForeign, d.device, a.Prefix), Severity: Warning, Want: "absent", Got: "present",
			Why: "it is not in the config and does not carry our label, so it stays; add it to vips, or remove it by hand.",
			Row: &Row{"address", addr.String(), "not on " + d.device, "present"},
		}
		if a.Label == Label(d.device) {
			f.Why = "it carries our label and is no longer in the config."
			f.Fix = DelAddr{d.device, a.Prefix, a.Peer}
			if d.carries(a) {
				f.Why, f.Fix = f.Why+carried, nil
			}
		}
		d.add(f)
	}
}

// Conflicts returns what makes the config impossible on this host, in words
// for the person who wrote it: VIPs that are the host's own addresses, or that
// are no host's address because they name or broadcast to a connected network.
// They are errors of the config and not drift, since no change to the kernel
// could be right.
func Conflicts(want Desired, got Observed) []string {
	networks, own := connected(got), ownAddresses(got)
	var out []string
	for _, vip := range want.VIPs {
		if why := conflict(vip, networks, own); why != "" {
			out = append(out, fmt.Sprintf("VIP %s %s", vip, why))
		}
	}
	return out
}

// conflict says why an address cannot be a VIP on this host, or "".
func conflict(vip netip.Addr, networks []netip.Prefix, own map[netip.Addr]string) string {
	if dev, is := own[vip]; is {
		return fmt.Sprintf("is this host's own address on %s (its RIP): a VIP must be another address, which the director holds", dev)
	}
	for _, network := range networks {
		switch vip {
		case network.Addr():
			return fmt.Sprintf("names the network %s, which this host is in: a VIP must be a host's address", network)
		case last(network):
			return fmt.Sprintf("is the broadcast address of %s, which this host is in: a VIP must be a host's address", network)
		}
	}
	return ""
}

// connected returns the networks on devices that answer ARP, each once. A /31
// and a /32 have neither name nor broadcast (RFC 3021).
func connected(got Observed) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range got.Addrs {
		network := a.Prefix.Masked()
		if network.Bits() <= 30 && got.linkByIndex(a.Index).ARP && !slices.Contains(out, network) {
			out = append(out, network)
		}
	}
	return out
}

func last(network netip.Prefix) netip.Addr {
	b := network.Addr().As4()
	host := uint32(1)<<(32-network.Bits()) - 1
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|host)
	return netip.AddrFrom4(b)
}

// ownAddresses returns the RIPs of this host with their devices: the source of
// its own traffic, and the first address of each device that answers ARP, if
// there is a network behind it. Later addresses on a device, and a lone /32,
// are not among them: a VIP there is one that strayed.
func ownAddresses(got Observed) map[netip.Addr]string {
	own := map[netip.Addr]string{}
	seen := map[int]bool{}
	for _, a := range got.Addrs {
		first := !seen[a.Index]
		seen[a.Index] = true
		addr := a.Prefix.Addr()
		if addr != got.Source && (!first || a.Prefix.Bits() == 32) {
			continue
		}
		if l := got.linkByIndex(a.Index); l.ARP {
			own[addr] = l.Name
		}
	}
	return own
}

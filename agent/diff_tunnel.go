package agent

import (
	"fmt"
	"slices"
)

func (d *differ) tunnelFindings() {
	squatter, taken := d.squatter()
	switch {
	case d.found:
		d.ok(moduleSubject, "module", "ipip", "loaded", "loaded")
		name := "any to any"
		if d.device != d.want.Device {
			name = "named " + d.device + " here, any to any"
		}
		d.linkState(name)
		d.shadows()
	case taken:
		kind := squatter.Kind
		if kind == "" {
			kind = "a hardware device"
		}
		got := "kind " + kind
		if squatter.Kind == "ipip" {
			got = "ipip, but not from any to any"
		}
		d.add(Finding{
			Subject: Subject{Kind: KindLink, Device: squatter.Name}, Severity: Critical, Want: "kind ipip, any to any", Got: got,
			Why: fmt.Sprintf("%s is not the kernel's IPIP fallback device, and while it holds the name the kernel cannot create one; it is not ours to remove: rename or delete it.", squatter.Name),
			Row: &Row{"link", squatter.Name, "ipip, any to any", got},
		})
	default:
		d.absentTunnel()
	}
}

// moduleSubject is the kernel module of the tunnel.
var moduleSubject = Subject{Kind: KindModule, Name: "ipip"}

func (d *differ) absentTunnel() {
	if d.got.Module.Loaded {
		d.ok(moduleSubject, "module", "ipip", "loaded", "loaded")
		d.add(Finding{
			Subject: Subject{Kind: KindLink, Device: d.device}, Severity: Critical, Want: "present", Got: "absent",
			Why: "without the device nothing unwraps the director's packets; this network namespace has no fallback device of its own.",
			Fix: CreateTunnel{d.want.Device},
			Row: &Row{"link", d.want.Device, "ipip, any to any", "absent"},
		})
	} else {
		why := "without it the kernel answers the director's packets with \"protocol unreachable\"."
		if d.got.Module.Obstacle != "" {
			why += " It may not load: " + d.got.Module.Obstacle + "."
		}
		d.add(Finding{
			Subject: moduleSubject, Severity: Critical, Want: "loaded", Got: "not loaded", Why: why,
			Fix: LoadModule{d.device},
			Row: &Row{"module", "ipip", "loaded", "not loaded"},
		})
	}
	// The device will be down when it appears.
	d.add(Finding{Subject: Subject{Kind: KindLinkUp, Device: d.device}, Want: "up", Got: "absent", Fix: LinkUp{d.device}})
}

func (d *differ) linkState(what string) {
	link := Subject{Kind: KindLink, Device: d.device}
	if d.tunnel.Up {
		d.ok(link, "link", d.device, "up", fmt.Sprintf("up, %s, mtu %d", what, d.tunnel.MTU))
		return
	}
	d.ok(link, "link", d.device, "ipip, any to any", what)
	d.add(Finding{
		Subject: Subject{Kind: KindLinkUp, Device: d.device}, Severity: Critical, Want: "up", Got: "down",
		Why: "a tunnel that is down is not asked: the kernel answers the director's packets with \"port unreachable\".",
		Fix: LinkUp{d.device},
		Row: &Row{"link", d.device, "up", "down"},
	})
}

// shadows finds IPIP devices that the kernel prefers to the fallback device.
// Order of lookup, among devices that are up: local and remote, remote, local,
// collect_md, fallback (ip_tunnel_lookup in net/ipv4/ip_tunnel.c).
func (d *differ) shadows() {
	for _, l := range d.got.Links {
		if l.Kind != "ipip" || !l.Up || l.Fallback() {
			continue
		}
		severity, takes := d.shadow(l)
		if severity == OK {
			continue
		}
		d.add(Finding{
			Subject: Subject{Kind: KindShadow, Device: l.Name}, Severity: severity, Want: "no tunnel before " + d.device, Got: takes,
			Why: fmt.Sprintf("the kernel hands %s to %s before it asks %s, so the settings of %s decide; it is not ours to change.", takes, l.Name, d.device, l.Name),
			Row: &Row{"shadow", l.Name, "nothing before " + d.device, "takes " + takes},
		})
	}
}

func (d *differ) shadow(l Link) (severity Severity, takes string) {
	if l.Local.IsValid() && len(d.byAddr[l.Local]) == 0 {
		return OK, "" // no packet to that address ends here
	}
	switch {
	case l.External:
		return Critical, "every packet"
	case l.Bound && !l.Remote.IsValid():
		return Critical, "every packet that comes in on the device it is bound to"
	case !l.Remote.IsValid():
		return Critical, "every packet to " + l.Local.String()
	case slices.Contains(d.want.Directors, l.Remote):
		return Critical, "every packet from director " + l.Remote.String()
	case len(d.want.Directors) == 0:
		return Warning, "every packet from " + l.Remote.String()
	}
	return OK, ""
}

// squatter returns a device of another kind that stands in the way of a
// fallback device: it has the configured name, or, while the module is not
// loaded, the name that the kernel gives to the device it makes.
func (d *differ) squatter() (Link, bool) {
	if d.found {
		return Link{}, false
	}
	if l, taken := d.got.Link(d.want.Device); taken || d.got.Module.Loaded {
		return l, taken
	}
	return d.got.Link(DefaultDevice)
}

package agent

import (
	"fmt"
	"slices"
	"strings"
)

// Evidence is what is known of who else manages this host's network.
type Evidence struct {
	Devices        []string // names of all devices
	Networkd       bool     // systemd-networkd manages the tunnel
	NetworkManager bool     // NetworkManager does
	Opponent       Replay   // the line of sysctl.d that sets the contended key otherwise; zero if there is none
}

// Gather returns the evidence that is in a whole reading.
func (o Observed) Gather(c Conflict) Evidence {
	var e Evidence
	for _, l := range o.Links {
		e.Devices = append(e.Devices, l.Name)
	}
	if set, ok := c.Fix.(SetSysctl); ok {
		e.Opponent, _ = o.Opponent(set.Key, set.Value)
	}
	return e
}

// Owners says who the other in a fight over something on the tunnel device may
// be, and which setting ends it, a sentence for each that there is evidence
// for.
func (e Evidence) Owners(c Conflict, device string) []string {
	var out []string
	_, sysctl := c.Fix.(SetSysctl)
	if e.Opponent.File != "" {
		out = append(out, fmt.Sprintf("%s sets it to %d, for whoever replays sysctl.d: change that line.", e.Opponent.Place(), e.Opponent.Value))
	}
	if e.has("cali") || e.has("vxlan.calico") {
		out = append(out, "Calico is here, which in IPIP mode takes every foreign address off tunl0: give its pools another encapsulation (ipipMode: Never), and set ipipEnabled: false in its FelixConfiguration.")
	}
	if e.has("cilium_") && sysctl {
		out = append(out, "Cilium is here, which replays sysctl.d whenever its agent starts: set sysctlfix.enabled=false in its Helm values.")
	}
	if e.has("kube-ipvs0") || e.has("kube-tunnel") {
		out = append(out, "A Kubernetes proxy is here that manages addresses and settings of its own; keep the VIPs out of its services.")
	}
	if e.Networkd && !sysctl {
		out = append(out, fmt.Sprintf("systemd-networkd manages %s: give it a .network file with Unmanaged=yes for %s, as the package brings one.", device, device))
	}
	if e.NetworkManager && !sysctl {
		out = append(out, fmt.Sprintf("NetworkManager manages %s: list interface-name:%s in unmanaged-devices, as the package does.", device, device))
	}
	return out
}

func (e Evidence) has(prefix string) bool {
	return slices.ContainsFunc(e.Devices, func(d string) bool { return strings.HasPrefix(d, prefix) })
}

package agenttest

import (
	"fmt"
	"slices"

	"rsagent/agent"
	"rsagent/sysctl"
)

// Foreign lists what is neither the tunnel nor named by want, of a reading
// made after a pass: law 6 says that it is what it was in found, the reading
// before. What the config names is written down here once more, apart from the
// core. tunnel is the tunnel after the pass.
func Foreign(want agent.Desired, tunnel agent.Link, got, found agent.Observed) []string {
	var out []string
	names := map[int]string{}
	for _, l := range got.Links {
		names[l.Index] = l.Name
		if l.Index == tunnel.Index {
			continue // it may appear, and go up
		}
		out = append(out, fmt.Sprintf("%+v", l))
	}
	for _, a := range got.Addrs {
		if !ourAddress(want, tunnel, names[a.Index], a) {
			out = append(out, fmt.Sprintf("%+v", a))
		}
	}
	for key, value := range got.Sysctls {
		if !ourSetting(want, tunnel, found, key) {
			out = append(out, fmt.Sprintf("%s = %d", key, value))
		}
	}
	slices.Sort(out)
	return append(out, fmt.Sprintf("%+v", got.Gateways))
}

func ourAddress(want agent.Desired, tunnel agent.Link, device string, a agent.Addr) bool {
	vip := slices.Contains(want.VIPs, a.Prefix.Addr())
	labelled := a.Label == device+":rs"
	switch {
	case a.Index == tunnel.Index:
		return labelled || vip && (a.Prefix.Bits() == 32 || want.RemoveStrays)
	case vip:
		return labelled || want.RemoveStrays
	}
	return false
}

func ourSetting(want agent.Desired, tunnel agent.Link, found agent.Observed, key sysctl.Key) bool {
	if !slices.Contains(sysctl.Names, key.Name) {
		return key.Scope == tunnel.Name && absent(found, tunnel) // new with its device
	}
	value := found.Sysctls[key]
	switch key.Scope {
	case tunnel.Name:
		return true
	case sysctl.All:
		return key.Name != sysctl.RPFilter || want.RPFilter == 0 || value > 2
	case sysctl.Default:
		return false
	}
	// A key of a NIC may change only if the larger of it and all can never be
	// right with it.
	nic, _ := found.Link(key.Scope)
	return nic.ARP && (key.Name == sysctl.ARPIgnore || key.Name == sysctl.ARPAnnounce) && value > 2
}

func absent(found agent.Observed, tunnel agent.Link) bool {
	_, ok := found.Link(tunnel.Name)
	return !ok
}

package page

import (
	"net/netip"
	"strings"

	"rsagent/agent"
)

// The hops of the packet's way, in its order.
const (
	hopClient = iota
	hopDirector
	hopNIC
	hopTunnel
	hopVIP
	hopService
	hopAnswer
	hopCount
)

// place returns the hop that a finding is about. That of a probe depends on
// what else is wrong, see probeHop. What is not known here is put where a
// packet would be lost: at its VIP if it names one, else at the tunnel.
func place(f agent.Finding) int {
	family, rest, _ := strings.Cut(f.ID, "/")
	switch family {
	case "senders":
		return hopDirector
	case "gateway", "source", "mss":
		return hopAnswer
	case "sysctl", "persist":
		if aboutARP(rest) {
			return hopNIC
		}
		return hopTunnel
	case "module", "link", "shadow":
		return hopTunnel
	case "addr":
		if f.Want == "absent" && f.Severity == agent.Critical {
			return hopNIC // a stray, answered for over ARP
		}
		return hopVIP
	case "route":
		return hopVIP
	case "service":
		return hopService
	}
	if first, _, _ := strings.Cut(rest, "/"); isAddr(first) {
		return hopVIP
	}
	return hopTunnel
}

func aboutARP(key string) bool {
	return strings.HasSuffix(key, ".arp_ignore") || strings.HasSuffix(key, ".arp_announce")
}

func isAddr(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// probeHop returns where a probe's packet was lost: at the first hop of this
// host that is known to be broken, else where its own words point to.
func probeHop(broken [hopCount]bool, detail string) int {
	for _, i := range []int{hopTunnel, hopVIP, hopService} {
		if broken[i] {
			return i
		}
	}
	if strings.Contains(detail, "listen") {
		return hopService
	}
	return hopTunnel
}

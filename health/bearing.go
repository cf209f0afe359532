package health

import (
	"strings"

	"rsagent/agent"
)

// A bearing says which VIPs stand or fall with a finding.
type bearing int

const (
	onNone bearing = iota // not of the path
	onOne                 // the VIP that the finding names
	onAll                 // the tunnel, and so every VIP
)

// bears returns whose path a finding is about, and if it is one VIP's, the VIP
// as the ID has it. A leak is on nobody's path: the VIP answered for over ARP,
// or present where it must not be, is critical and repaired first, but a drain
// does not cure it, and the path through the tunnel works. A family that is not
// known here is taken to be of the path, since a false red is seen and a false
// green is not.
func bears(f agent.Finding) (bearing, string) {
	family, rest, _ := strings.Cut(f.ID, "/")
	switch family {
	case "module", "link", "shadow", "kernel":
		return onAll, ""
	case "sysctl":
		if strings.HasSuffix(rest, ".arp_ignore") || strings.HasSuffix(rest, ".arp_announce") {
			return onNone, ""
		}
		return onAll, ""
	case "addr":
		if f.Want == "absent" {
			return onNone, "" // a stray
		}
		_, addr, _ := strings.Cut(rest, "/")
		vip, _, _ := strings.Cut(addr, "/")
		return onOne, vip
	case "route":
		return onOne, rest
	}
	if first, _, _ := strings.Cut(rest, "/"); looksLikeAddr(first) {
		return onOne, first
	}
	return onAll, ""
}

// mayBlind reports whether the verdict cannot be given while the finding could
// not be told. What only warns when it is readable does not hide a broken path
// when it is not.
func mayBlind(f agent.Finding) bool {
	family, _, _ := strings.Cut(f.ID, "/")
	switch family {
	case "module", "link", "kernel", "sysctl", "addr", "route", "shadow":
		return true
	}
	return false
}

func looksLikeAddr(s string) bool {
	return strings.Count(s, ".") == 3 && strings.Trim(s, "0123456789.") == ""
}

// speaksOf returns the VIP whose place on the tunnel was looked at.
func speaksOf(f agent.Finding) (vip string, ok bool) {
	if !strings.HasPrefix(f.ID, "addr/") || f.Severity == agent.Unknown {
		return "", false
	}
	b, vip := bears(f)
	return vip, b == onOne
}

package agenttest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"rsagent/agent"
	"rsagent/sysctl"
)

// Render writes a reading as text in the manner of ip and sysctl, without the
// indices of the devices: two readings with the same text are the same to
// everybody who looks from outside. It is the form of [Machine].Dump.
func Render(got agent.Observed) string {
	var b strings.Builder
	if got.Module.Loaded {
		b.WriteString("module ipip\n")
	}
	for _, l := range got.Links {
		fmt.Fprintf(&b, "%s: <%s> mtu %d%s\n", l.Name, flags(l), l.MTU, kind(l))
		for _, a := range got.Addrs {
			if a.Index == l.Index {
				fmt.Fprintf(&b, "    inet %s %s\n", a.Prefix, a.Label)
			}
		}
	}
	keys := make([]sysctl.Key, 0, len(got.Sysctls))
	for k := range got.Sysctls {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b sysctl.Key) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		fmt.Fprintf(&b, "%s = %d\n", k, got.Sysctls[k])
	}
	return b.String()
}

func flags(l agent.Link) string {
	var on []string
	if l.ARP {
		on = append(on, "ARP")
	}
	if l.Up {
		on = append(on, "UP")
	}
	return strings.Join(on, ",")
}

func kind(l agent.Link) string {
	switch {
	case l.Kind == "":
		return ""
	case l.Kind != "ipip":
		return " " + l.Kind
	case l.External:
		return " ipip external"
	}
	return fmt.Sprintf(" ipip remote %s local %s", end(l.Remote), end(l.Local))
}

func end(a netip.Addr) string {
	if !a.IsValid() {
		return "any"
	}
	return a.String()
}

// Essence returns what tells findings apart, a line each: all but their order
// and their reasons.
func Essence(findings []agent.Finding) []string {
	var out []string
	for _, f := range findings {
		line := f.ID() + " " + f.Severity.String() + " " + f.Want + " " + f.Got
		if f.Fix != nil {
			line += " " + f.Fix.String()
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

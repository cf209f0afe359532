package agent_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/sysctl"
)

// drift renders the findings that are not in order, one a line: severity, ID,
// and the fix if there is one.
func drift(findings []agent.Finding) []string {
	out := []string{}
	for _, f := range agent.NotOK(findings) {
		line := f.Severity.String() + " " + f.ID()
		if f.Fix != nil {
			line += ": " + f.Fix.String()
		}
		out = append(out, line)
	}
	return out
}

// inService returns a host on which a pass has been made, and its store.
func inService(t testing.TB, want agent.Desired, scripts ...string) (*agenttest.Fake, *agenttest.MemStore) {
	t.Helper()
	f, s := host(t, scripts...), &agenttest.MemStore{}
	pass(t, f, s, want)
	return f, s
}

func TestRPFilter(t *testing.T) {
	rows := []struct {
		want, all, tunl0 int
		severity         string
		keys             string // whose values have to change
	}{
		{0, 0, 0, "", ""},
		{0, 0, 1, "critical", "tunl0"},
		{0, 0, 2, "warning", "tunl0"},
		{0, 1, 0, "critical", "all"},
		{0, 1, 1, "critical", "all tunl0"},
		{0, 1, 2, "warning", "all tunl0"},
		{0, 2, 0, "warning", "all"},
		{0, 2, 1, "warning", "all tunl0"},
		{0, 2, 2, "warning", "all tunl0"},
		{2, 0, 0, "warning", "tunl0"},
		{2, 0, 1, "critical", "tunl0"},
		{2, 0, 2, "", ""},
		{2, 1, 0, "critical", "tunl0"},
		{2, 1, 1, "critical", "tunl0"},
		{2, 1, 2, "", ""},
		{2, 2, 0, "", ""},
		{2, 2, 1, "", ""},
		{2, 2, 2, "", ""},
	}
	for _, row := range rows {
		want := agent.Desired{VIPs: vips("172.25.84.100"), RPFilter: row.want}.Normal()
		f, s := inService(t, want)
		agenttest.Type(t, f, fmt.Sprintf("sysctl -w net.ipv4.conf.all.rp_filter=%d; sysctl -w net.ipv4.conf.tunl0.rp_filter=%d", row.all, row.tunl0))
		r, _ := agent.Look(t.Context(), f, s, want)
		expected := []string{}
		for _, scope := range strings.Fields(row.keys) {
			key := "net.ipv4.conf." + scope + ".rp_filter"
			expected = append(expected, fmt.Sprintf("%s sysctl/%s: sysctl -w %s=%d", row.severity, key, key, row.want))
		}
		if diff := cmp.Diff(expected, drift(r.After)); diff != "" {
			t.Errorf("want %d, all %d, tunl0 %d (-want +got):\n%s", row.want, row.all, row.tunl0, diff)
		}
	}
}

// A says that the key of all has to change, E that of eth0.
func TestARPIgnore(t *testing.T) {
	values := []int{0, 1, 2, 3, 8}
	matrix := []string{ // rows: all; columns: eth0
		"A  -  -  E  E",
		"-  -  -  E  E",
		"-  -  -  E  E",
		"A  A  A  AE AE",
		"A  A  A  AE AE",
	}
	want := configs()["plain"]
	for i, row := range matrix {
		for j, keys := range strings.Fields(row) {
			f, s := inService(t, want)
			agenttest.Type(t, f, fmt.Sprintf("sysctl -w net.ipv4.conf.all.arp_ignore=%d; sysctl -w net.ipv4.conf.eth0.arp_ignore=%d", values[i], values[j]))
			r, _ := agent.Look(t.Context(), f, s, want)
			expected := []string{}
			for _, k := range keys {
				if scope := map[rune]string{'A': "all", 'E': "eth0"}[k]; scope != "" {
					expected = append(expected, fmt.Sprintf("critical sysctl/net.ipv4.conf.%s.arp_ignore: sysctl -w net.ipv4.conf.%s.arp_ignore=1", scope, scope))
				}
			}
			if diff := cmp.Diff(expected, drift(r.After)); diff != "" {
				t.Errorf("all %d, eth0 %d (-want +got):\n%s", values[i], values[j], diff)
			}
		}
	}
}

// Several NICs that are wrong for the same reason are one finding, and those
// with a reason of their own are others. Devices that do not answer ARP do not
// count.
func TestSeveralNICs(t *testing.T) {
	want := configs()["plain"]
	f, s := inService(t, want, "ip link add eth1 type veth peer name eth2; ip link add dum0 type dummy")
	agenttest.Type(t, f, "sysctl -w net.ipv4.conf.all.arp_announce=0; sysctl -w net.ipv4.conf.eth1.arp_announce=2;"+
		"sysctl -w net.ipv4.conf.eth2.arp_ignore=8; sysctl -w net.ipv4.conf.dum0.arp_ignore=8; sysctl -w net.ipv4.conf.lo.arp_ignore=3")
	r, _ := agent.Look(t.Context(), f, s, want)
	expected := []string{
		"critical sysctl/net.ipv4.conf.eth2.arp_ignore: sysctl -w net.ipv4.conf.eth2.arp_ignore=1",
		"critical sysctl/net.ipv4.conf.all.arp_announce: sysctl -w net.ipv4.conf.all.arp_announce=2",
	}
	if diff := cmp.Diff(expected, drift(r.After)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The classic mistake: all is 1, and whoever sets the tunnel's key alone
// cannot win. The finding says so.
func TestWhichKeyAndWhy(t *testing.T) {
	rows := []struct{ script, id, why string }{
		{"sysctl -w net.ipv4.conf.all.rp_filter=1", "all.rp_filter", "the larger of all (1) and tunl0 (0) counts: strict filtering drops every decapsulated packet, since its way back is not through the tunnel. Changing tunl0 alone cannot win."},
		{"sysctl -w net.ipv4.conf.tunl0.rp_filter=1", "tunl0.rp_filter", "the larger of all (0) and tunl0 (1) counts: strict filtering drops every decapsulated packet, since its way back is not through the tunnel. Changing all alone cannot win."},
		{"sysctl -w net.ipv4.conf.all.arp_ignore=8", "all.arp_ignore", "this host's own RIP becomes unreachable"},
		{"sysctl -w net.ipv4.conf.all.arp_ignore=3", "all.arp_ignore", "3 still answers ARP for addresses of global scope"},
		{"sysctl -w net.ipv4.conf.all.arp_ignore=0", "all.arp_ignore", "takes it from the director"},
	}
	for _, row := range rows {
		f, s := inService(t, configs()["plain"])
		agenttest.Type(t, f, row.script)
		r, _ := agent.Look(t.Context(), f, s, configs()["plain"])
		found := byID(t, r.After)["sysctl/net.ipv4.conf."+row.id]
		if !strings.Contains(found.Why, row.why) {
			t.Errorf("%s: why %q, want it to say %q", row.script, found.Why, row.why)
		}
	}
}

// A key is written once on each device even when it is right, so that a later
// write to default cannot move it; and then not again.
func TestAdoption(t *testing.T) {
	want := configs()["plain"]
	right := "modprobe ipip; sysctl -w net.ipv4.conf.all.arp_ignore=2; sysctl -w net.ipv4.conf.all.arp_announce=2"
	f, s := inService(t, want, right)
	var wrote []string
	for _, a := range f.Applied() {
		if _, ok := a.(agent.SetSysctl); ok {
			wrote = append(wrote, a.String())
		}
	}
	expected := []string{
		"sysctl -w net.ipv4.conf.all.arp_ignore=2", "sysctl -w net.ipv4.conf.tunl0.arp_ignore=1",
		"sysctl -w net.ipv4.conf.all.arp_announce=2", "sysctl -w net.ipv4.conf.tunl0.arp_announce=2",
		"sysctl -w net.ipv4.conf.all.rp_filter=0", "sysctl -w net.ipv4.conf.tunl0.rp_filter=0",
	}
	if diff := cmp.Diff(expected, wrote); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	agenttest.Type(t, f, "sysctl -w net.ipv4.conf.default.rp_filter=1")
	if got := observe(t, f, want).Sysctls[sysctl.Key{Scope: "tunl0", Name: "rp_filter"}]; got != 0 {
		t.Errorf("a write to default moved tunl0 to %d", got)
	}
	agenttest.Type(t, f, "modprobe -r ipip; modprobe ipip")
	r := pass(t, f, s, want)
	if !slices.ContainsFunc(actions(r.Done), func(a agent.Action) bool { return a.String() == "sysctl -w net.ipv4.conf.tunl0.arp_ignore=1" }) {
		t.Errorf("a device made anew was not written anew: %v", actions(r.Done))
	}
}

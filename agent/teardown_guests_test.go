package agent_test

import (
	"strings"
	"testing"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/sysctl"
)

// tornDown tears down what the store knows of, and returns what is left and
// whether nothing is left to do.
func tornDown(t *testing.T, f *agenttest.Fake, s *agenttest.MemStore) (leftovers string, done bool) {
	t.Helper()
	base, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	steps, got, err := agent.RunTeardown(t.Context(), f, base, true)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(agent.Leftovers(base, got, len(steps) > 0), "\n"), agent.TornDown(base, got, true)
}

// hushed reports whether this host answers ARP for no address of the tunnel.
func hushed(t *testing.T, f *agenttest.Fake) bool {
	t.Helper()
	got := observe(t, f, configs()["plain"])
	return got.Sysctls[sysctl.Key{Scope: sysctl.All, Name: sysctl.ARPIgnore}] == 1 &&
		got.Sysctls[sysctl.Key{Scope: sysctl.All, Name: sysctl.ARPAnnounce}] == 2
}

// No ARP setting is relaxed while a VIP that was not there before is on the
// tunnel, whatever it looks like; when it is gone, a further teardown is whole.
func TestTeardownKeepsARPForVIPs(t *testing.T) {
	reported := configs()["plain"]
	reported.Policy.ReportAddresses = true
	rename := "; ip link set dev tunl0 down; ip link set dev tunl0 name cilium_tunnel0"
	for name, c := range map[string]struct {
		want                   agent.Desired
		start, between, remove string
	}{
		"added by another program": {reported, "modprobe ipip", "ip addr add 172.25.84.100/32 dev tunl0", "ip addr del 172.25.84.100/32 dev tunl0"},
		"label lost":               {configs()["plain"], "modprobe ipip", "ip addr flush dev tunl0; ip addr add 172.25.84.100/32 dev tunl0", "ip addr flush dev tunl0"},
		"wider prefix":             {configs()["plain"], "modprobe ipip", "ip addr add 172.25.84.100/28 dev tunl0", "ip addr flush dev tunl0"},
		"label lost by a rename":   {configs()["plain"], "modprobe ipip", rename[2:], "ip addr flush dev cilium_tunnel0"},
	} {
		t.Run(name, func(t *testing.T) {
			f, s := host(t, c.start), &agenttest.MemStore{}
			pass(t, f, s, c.want)
			agenttest.Type(t, f, c.between)
			left, done := tornDown(t, f, s)
			if done || !hushed(t, f) || !strings.Contains(left, "172.25.84.100") || !strings.Contains(left, "ARP settings stay") {
				t.Errorf("done %v, ARP kept %v, said %q", done, hushed(t, f), left)
			}
			agenttest.Type(t, f, c.remove)
			if left, done := tornDown(t, f, s); !done || hushed(t, f) {
				t.Errorf("without it: done %v, ARP kept %v, said %q", done, hushed(t, f), left)
			}
		})
	}
}

// A label that the kernel has cut is still ours.
func TestTeardownKnowsCutLabels(t *testing.T) {
	rename := "ip link set dev tunl0 down; ip link set dev tunl0 name cilium_tunnel0"
	start := "modprobe ipip; ip addr add 127.0.0.42/32 dev tunl0"
	f, s := host(t, start), &agenttest.MemStore{}
	pass(t, f, s, configs()["plain"])
	agenttest.Type(t, f, rename)
	if left, done := tornDown(t, f, s); !done || left != "" {
		t.Errorf("done %v, said %q", done, left)
	}
	same(t, host(t, start, rename).Dump(), f.Dump(), "after teardown")
}

// A tunnel that another program uses stays up, and is named.
func TestTeardownLeavesTheTunnelToOthers(t *testing.T) {
	f, s := host(t), &agenttest.MemStore{}
	pass(t, f, s, configs()["plain"])
	agenttest.Type(t, f, "ip addr add 10.5.5.5/24 dev tunl0")
	left, done := tornDown(t, f, s)
	if !done || !strings.Contains(left, "tunl0 stays up, although it was not up before: another program's address is on it, 10.5.5.5/24.") {
		t.Errorf("done %v, said %q", done, left)
	}
	same(t, host(t, "modprobe ipip; ip link set dev tunl0 up; ip addr add 10.5.5.5/24 dev tunl0").Dump(), f.Dump(), "after teardown")
}

// A VIP on another device is not ours to remove, and is named.
func TestTeardownNamesVIPsElsewhere(t *testing.T) {
	f, s := host(t), &agenttest.MemStore{}
	pass(t, f, s, configs()["plain"])
	agenttest.Type(t, f, "ip addr add 172.25.84.100/32 dev lo")
	if left, done := tornDown(t, f, s); !done || !strings.Contains(left, "172.25.84.100 on lo") {
		t.Errorf("done %v, said %q", done, left)
	}
}

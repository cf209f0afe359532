package agent_test

import (
	"testing"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// undo tears down what the store knows of; every step must succeed.
func undo(t testing.TB, k agent.Kernel, s agent.Store) []agent.Step {
	t.Helper()
	base, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	steps, _, err := agent.RunTeardown(t.Context(), k, base, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if step.Err != nil {
			t.Errorf("%s: %v", step.Action, step.Err)
		}
	}
	return steps
}

// Law 7: a teardown goes back to what was found, and done twice does nothing.
func TestTeardownRestores(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func() *agenttest.Fake, want agent.Desired) {
		f, s := fresh(), &agenttest.MemStore{}
		before := f.Dump()
		pass(t, f, s, want)
		pass(t, f, s, want)
		undo(t, f, s)
		same(t, before, f.Dump(), "after teardown")
		if again := undo(t, f, s); len(again) > 0 {
			t.Errorf("a second teardown did %v", again)
		}
	})
}

// Drift that was mended in between is not the past to go back to.
func TestTeardownAfterDrift(t *testing.T) {
	tampering := map[string]string{
		"settings": "sysctl -w net.ipv4.conf.all.arp_ignore=0; sysctl -w net.ipv4.conf.all.rp_filter=2; sysctl -w net.ipv4.conf.tunl0.rp_filter=1",
		"address":  "ip addr flush dev tunl0; ip addr add 172.25.84.100/32 dev tunl0",
		"link":     "ip link set dev tunl0 down",
	}
	for name, script := range tampering {
		t.Run(name, func(t *testing.T) {
			f, s := host(t, "modprobe ipip; sysctl -w net.ipv4.conf.tunl0.rp_filter=2; ip link set dev tunl0 up"), &agenttest.MemStore{}
			before := f.Dump()
			pass(t, f, s, configs()["plain"])
			agenttest.Type(t, f, script)
			pass(t, f, s, configs()["plain"])
			undo(t, f, s)
			same(t, before, f.Dump(), "after teardown")
		})
	}
}

// What was recorded before a death is not recorded again under another label.
func TestTeardownAfterDeathAndRelabelling(t *testing.T) {
	f, s := host(t, "ip addr add 172.25.84.100/32 dev tunl0"), &agenttest.MemStore{}
	before := f.Dump()
	mortal(f, s, 1, func() { pass(t, f, s, configs()["plain"]) }) // dies with the baseline saved
	agenttest.Type(t, f, "ip addr del 172.25.84.100/32 dev tunl0; ip addr add 172.25.84.100/32 dev tunl0 label tunl0:web")
	pass(t, f, s, configs()["plain"])
	undo(t, f, s)
	same(t, before, f.Dump(), "after teardown")
	if again := undo(t, f, s); len(again) > 0 {
		t.Errorf("a second teardown did %v", again)
	}
}

// What came after us and is not ours stays.
func TestTeardownLeavesTheNeighbours(t *testing.T) {
	f, s := host(t), &agenttest.MemStore{}
	pass(t, f, s, configs()["plain"])
	neighbours := "ip link add dum0 type dummy; ip addr add 10.9.9.9/32 dev dum0; sysctl -w net.ipv4.conf.eth0.rp_filter=1;" +
		"ip link add ipip1 type ipip remote 192.0.2.9; ip link set dev ipip1 up; ip addr add 10.8.8.8/32 dev ipip1"
	agenttest.Type(t, f, neighbours)
	undo(t, f, s)
	expected := host(t, "modprobe ipip", neighbours)
	same(t, expected.Dump(), f.Dump(), "after teardown")
}

// A tunnel that was renamed meanwhile is still the tunnel whose settings and
// addresses have to go back.
func TestTeardownAfterRename(t *testing.T) {
	rename := "ip link set dev tunl0 down; ip link set dev tunl0 name cilium_tunl"
	start := "modprobe ipip; sysctl -w net.ipv4.conf.tunl0.rp_filter=2; sysctl -w net.ipv4.conf.tunl0.arp_ignore=8"
	f, s := host(t, start), &agenttest.MemStore{}
	pass(t, f, s, configs()["three loose"])
	agenttest.Type(t, f, rename)
	pass(t, f, s, configs()["three loose"])
	undo(t, f, s)
	same(t, host(t, start, rename).Dump(), f.Dump(), "after teardown")
}

// The VIPs go before anything is relaxed that protected them.
func TestTeardownOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func() *agenttest.Fake, want agent.Desired) {
		f, s := fresh(), &agenttest.MemStore{}
		pass(t, f, s, want)
		var restored agent.Action
		for _, step := range undo(t, f, s) {
			switch a := step.Action.(type) {
			case agent.RestoreSysctl:
				restored = a
			case agent.DelAddr, agent.AddAddr:
				if restored != nil {
					t.Errorf("%s after %s", a, restored)
				}
			}
		}
	})
}

// If a VIP cannot be taken away, nothing is relaxed.
func TestTeardownFailsClosed(t *testing.T) {
	f, s := host(t), &agenttest.MemStore{}
	pass(t, f, s, configs()["plain"])
	before := f.Dump()
	f.Fail("ip addr del 172.25.84.100/32 dev tunl0", errInjected)
	base, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := agent.RunTeardown(t.Context(), f, base, true); err != nil {
		t.Fatal(err)
	}
	same(t, before, f.Dump(), "after a teardown that could not take the VIP away")
}

// Only who is alone on the machine unloads the module.
func TestTeardownKeepsTheModuleForOthers(t *testing.T) {
	f, s := host(t), &agenttest.MemStore{}
	pass(t, f, s, configs()["plain"])
	base, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := agent.RunTeardown(t.Context(), f, base, false); err != nil {
		t.Fatal(err)
	}
	same(t, host(t, "modprobe ipip").Dump(), f.Dump(), "after teardown")
}

// Without a baseline only what carries our label goes.
func TestTeardownWithoutBaseline(t *testing.T) {
	f := host(t, "modprobe ipip; ip link set dev tunl0 up; sysctl -w net.ipv4.conf.all.arp_ignore=1; ip addr add 10.0.0.1/32 dev tunl0")
	before := f.Dump()
	agenttest.Type(t, f, "ip addr add 172.25.84.100/32 dev tunl0 label tunl0:rs")
	undo(t, f, &agenttest.MemStore{})
	same(t, before, f.Dump(), "after teardown")
}

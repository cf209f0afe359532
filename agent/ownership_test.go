package agent_test

import (
	"errors"
	"strings"
	"testing"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// A module that would not load is not of our making when somebody else has
// loaded it.
func TestFailedModuleIsNotOurs(t *testing.T) {
	f, s := host(t), &agenttest.MemStore{}
	f.Fail("modprobe ipip", errors.New("blacklisted"))
	agent.Pass(t.Context(), f, s, configs()["plain"])
	f.Fail("modprobe ipip", nil)
	agenttest.Type(t, f, "modprobe ipip; ip link set dev tunl0 up")
	before := f.Dump()
	pass(t, f, s, configs()["plain"])
	undo(t, f, s)
	same(t, before, f.Dump(), "after teardown")
}

// Somebody else's address on the tunnel outlives a teardown.
func TestTeardownLeavesGuests(t *testing.T) {
	f, s := host(t), &agenttest.MemStore{}
	pass(t, f, s, configs()["plain"])
	agenttest.Type(t, f, "ip addr add 10.5.5.5/32 dev tunl0")
	undo(t, f, s)
	if !strings.Contains(f.Dump(), "10.5.5.5/32") {
		t.Errorf("the guest is gone:\n%s", f.Dump())
	}
}

// No action of ours takes away a VIP that works, even where it cannot be given
// our label.
func TestLongNameKeepsTheVIP(t *testing.T) {
	f, s := inService(t, configs()["plain"])
	agenttest.Type(t, f, "ip link set dev tunl0 down; ip link set dev tunl0 name cilium_tunnel0; ip link set dev cilium_tunnel0 up")
	r, err := agent.Pass(t.Context(), f, s, configs()["plain"])
	if err != nil || len(r.Done) > 0 || r.State() != agent.Warning {
		t.Errorf("did %v, state %s, error %v; want nothing done and a warning", r.Done, r.State(), err)
	}
	if !strings.Contains(f.Dump(), "172.25.84.100/32") {
		t.Errorf("the VIP is gone:\n%s", f.Dump())
	}
}

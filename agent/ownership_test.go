package agent_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// Somebody who undoes a repair as fast as it is made costs a bounded number of
// passes; one who takes his time is answered at once.
func TestLoopBrake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Hour, configs()["plain"], nil)
		synctest.Wait()
		r.fake.Hook(nil, func(agent.Action, error) {
			_ = r.fake.Run("ip addr del 172.25.84.100/32 dev tunl0")
		})
		agenttest.Type(t, r.fake, "ip addr del 172.25.84.100/32 dev tunl0")
		time.Sleep(10 * time.Second)
		fight := r.count()
		if fight > 400 {
			t.Errorf("%d passes in a fight of ten seconds", fight)
		}
		r.fake.Hook(nil, nil)
		time.Sleep(2 * time.Second)
		for range 50 {
			agenttest.Type(t, r.fake, "ip addr del 172.25.84.100/32 dev tunl0")
			time.Sleep(250 * time.Millisecond)
			if !strings.Contains(r.fake.Dump(), "172.25.84.100/32 tunl0:rs") {
				t.Fatal("not repaired at once")
			}
		}
		r.stop()
	})
}

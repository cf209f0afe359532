package agent_test

import (
	"strings"
	"testing"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// What is planned while the module is absent is a script that runs.
func TestPlanForAnotherDeviceRuns(t *testing.T) {
	want := agent.Desired{VIPs: vips("172.25.84.100"), Device: "rs0"}.Normal()
	for _, start := range []string{"", "sysctl -w net.core.fb_tunnels_only_for_init_net=1; modprobe ipip"} {
		f, s := host(t, start), &agenttest.MemStore{}
		r, _ := agent.Look(t.Context(), f, s, want)
		agenttest.Type(t, f, strings.Split(strings.TrimSpace(agent.Script(agent.Actions(r.Plan))), "\n")...)
		if r, _ = agent.Look(t.Context(), f, s, want); agent.Worst(r.After) > agent.OK {
			t.Errorf("left: %+v", agent.NotOK(r.After))
		}
	}
}

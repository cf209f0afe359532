package agent_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// checkForeign is law 6: it compares everything that the config does not name
// before and after a pass.
func checkForeign(t testing.TB, want agent.Desired, before, after agent.Observed) {
	t.Helper()
	tunnel, _ := after.Tunnel()
	had, has := agenttest.Foreign(want, tunnel, before, before), agenttest.Foreign(want, tunnel, after, before)
	if diff := cmp.Diff(had, has); diff != "" {
		t.Errorf("what is not ours has changed (-before +after):\n%s", diff)
	}
}

func TestForeignUntouched(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func() *agenttest.Fake, want agent.Desired) {
		f := fresh()
		before := observe(t, f, want)
		pass(t, f, &agenttest.MemStore{}, want)
		checkForeign(t, want, before, observe(t, f, want))
	})
}

package agent_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// What policy leaves to somebody else is said and not done, whatever else is.
func TestPolicyOfEachKind(t *testing.T) {
	for kind, policy := range map[agent.Kind]agent.Policy{
		agent.KindTunnel:    {ReportTunnel: true},
		agent.KindSysctl:    {ReportSysctl: true},
		agent.KindAddresses: {ReportAddresses: true},
		agent.KindPersist:   {ReportPersist: true},
	} {
		t.Run(string(kind), func(t *testing.T) {
			said := 0
			everywhere(t, func(t *testing.T, fresh func() *agenttest.Fake, want agent.Desired) {
				want.Policy, want.Persist = policy, true
				f, s := fresh(), &agenttest.MemStore{}
				f.Files(hostile())
				r := pass(t, f, s, want)
				for _, step := range r.Done {
					if agent.KindOf(step.Action) == kind {
						t.Errorf("did %s", step.Action)
					}
				}
				if diff := cmp.Diff(ofKind(kind, agent.Plan(r.After)), ofKind(kind, r.Would)); diff != "" {
					t.Errorf("left to somebody else (-found +said):\n%s", diff)
				}
				said += len(ofKind(kind, r.Would))
			})
			if said == 0 {
				t.Error("nothing was ever left to somebody else")
			}
		})
	}
}

func ofKind(kind agent.Kind, plan []agent.Action) []string {
	var out []string
	for _, a := range plan {
		if agent.KindOf(a) == kind {
			out = append(out, a.String())
		}
	}
	return out
}

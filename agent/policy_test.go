package agent_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// What policy leaves to somebody else is said and not done, whatever else is.
func TestPolicyOfEachKind(t *testing.T) {
	for kind, policy := range map[agent.PolicyKind]agent.Policy{
		agent.PolicyTunnel:    {ReportTunnel: true},
		agent.PolicySysctl:    {ReportSysctl: true},
		agent.PolicyAddresses: {ReportAddresses: true},
		agent.PolicyPersist:   {ReportPersist: true},
	} {
		t.Run(string(kind), func(t *testing.T) {
			said := 0
			everywhere(t, func(t *testing.T, fresh func() *agenttest.Fake, want agent.Desired) {
				want.Policy, want.Persist = policy, true
				f, s := fresh(), &agenttest.MemStore{}
				f.Files(hostile())
				r := pass(t, f, s, want)
				for _, step := range r.Done {
					if step.Kind.Policy() == kind {
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

func ofKind(kind agent.PolicyKind, plan []agent.Repair) []string {
	var out []string
	for _, r := range plan {
		if r.Kind.Policy() == kind {
			out = append(out, r.Action.String())
		}
	}
	return out
}

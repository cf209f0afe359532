package agenttest_test

import (
	"testing"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

func TestFakeConforms(t *testing.T) {
	agenttest.Conformance(t, func(*testing.T) (agent.Kernel, agenttest.Machine) {
		f := agenttest.NewFake()
		return f, f
	})
}

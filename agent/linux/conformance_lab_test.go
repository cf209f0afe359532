//go:build lab

package linux_test

import (
	"os/exec"
	"testing"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// TestConformance holds Linux to what the fake is held to: whatever the core's
// tests rely on is so.
func TestConformance(t *testing.T) {
	agenttest.Conformance(t, func(t *testing.T) (agent.Kernel, agenttest.Machine) {
		_ = exec.Command("modprobe", "-r", "ipip").Run()
		inNamespace(t)
		return open(t), agenttest.Shell{TB: t}
	})
}

package health

import (
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	vipA = netip.MustParseAddr("172.25.84.100")
	vipB = netip.MustParseAddr("172.25.84.101")
)

// seen is the row of a VIP that is in place.
func seen(vip netip.Addr) agent.Finding {
	return agent.Finding{Subject: agenttest.Subject("addr/tunl0/" + vip.String()), Want: "present", Got: "present"}
}

func critical(id string) agent.Finding {
	return agent.Finding{Subject: agenttest.Subject(id), Severity: agent.Critical, Want: "present", Got: "absent"}
}

func report(findings ...agent.Finding) agent.Report {
	return agent.Report{Time: time.Now(), Took: time.Millisecond, Before: findings, After: findings}
}

// inOrder is the report of a host where both VIPs are well, and what is added.
func inOrder(more ...agent.Finding) agent.Report {
	return report(append([]agent.Finding{seen(vipA), seen(vipB)}, more...)...)
}

func testConfig() Config {
	return Config{Node: "rs1", Version: "1.2.3", ConfigHash: "3f9a1c", VIPs: []netip.Addr{vipA, vipB}, Interval: time.Second}
}

// run runs h until the test ends.
func run(t *testing.T, h *Health) {
	done := make(chan struct{})
	go func() { defer close(done); h.Run(t.Context()) }()
	t.Cleanup(func() { <-done })
}

// pass reports that all is in order, n times, a second apart.
func pass(h *Health, n int) {
	for range n {
		h.Report(inOrder(), nil)
		time.Sleep(time.Second)
	}
}

package health

import (
	"net"
	"strings"
	"testing"
)

// serveAgentCheck answers on loopback until the test ends.
func serveAgentCheck(t *testing.T, h *Health) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.ServeAgentCheck(t.Context(), l) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestAgentCheck(t *testing.T) {
	t.Parallel()
	h := New(testConfig())
	addr := serveAgentCheck(t, h)
	expect := func(want string) {
		t.Helper()
		if got := raw(t, addr, ""); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
	expect("down #unverified: no pass has spoken of this VIP yet\n")
	h.Report(inOrder(), nil)
	expect("up ready\n")
	h.setDrain(DrainState{Draining: true, Drain: Drain{Reason: "x"}})
	expect("drain\n")
	h.Shutdown()
	expect("down #stopping: the agent is shutting down; the VIPs stay in place\n")
}

// Clients that connect and never read do not keep others waiting.
func TestAgentCheckIsBounded(t *testing.T) {
	t.Parallel()
	addr := serveAgentCheck(t, New(testConfig()))
	for range 3 * maxAgentChecks {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if got := raw(t, addr, ""); !strings.HasPrefix(got, "down #") {
		t.Errorf("%q", got)
	}
}

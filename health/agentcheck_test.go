package health

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
)

func TestAgentCheck(t *testing.T) {
	t.Parallel()
	h := New(testConfig())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.ServeAgentCheck(ctx, l) }()
	expect := func(want string) {
		t.Helper()
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if b, err := io.ReadAll(conn); string(b) != want || err != nil {
			t.Errorf("%q, %v; want %q", b, err, want)
		}
	}
	expect("down #unverified: no pass has spoken of this VIP yet\n")
	h.Report(inOrder(), nil)
	expect("up ready\n")
	h.setDrain(DrainState{Draining: true, Drain: Drain{Reason: "x"}})
	expect("drain\n")
	h.Shutdown()
	expect("down #stopping: the agent is shutting down; the VIPs stay in place\n")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Clients that connect and never read do not keep others waiting.
func TestAgentCheckIsBounded(t *testing.T) {
	t.Parallel()
	h := New(testConfig())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.ServeAgentCheck(ctx, l) }()
	for range 3 * maxAgentChecks {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if got := raw(t, l.Addr().String(), ""); !strings.HasPrefix(got, "down #") {
		t.Errorf("%q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

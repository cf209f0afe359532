package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/agent/config"
	"rsagent/health"
)

// What a hook reads is an interface.
func TestHookEvents(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_800_000_000_000).UTC()
	finding := agent.Finding{Subject: agenttest.Subject(rpFilter), Severity: agent.Critical, Want: "0", Got: "1", Why: "it drops."}
	entry := health.Drift{ID: rpFilter, By: "sysctl[4711] uid 0", Action: "sysctl -w a=0", Times: 2, Since: at, Repaired: at.Add(1500 * time.Microsecond)}
	for _, test := range []struct {
		event hookEvent
		want  string
	}{
		{change{drifted, finding, entry}.hookEvent("rs1", at), `{"event":"drifted","node":"rs1","time":"2027-01-15T08:00:00Z","id":"sysctl/net.ipv4.conf.all.rp_filter","severity":"critical","want":"0","got":"1","why":"it drops.","by":"sysctl[4711] uid 0","action":"sysctl -w a=0","times":2}`},
		{change{repaired, finding, entry}.hookEvent("rs1", at), `{"event":"repaired","node":"rs1","time":"2027-01-15T08:00:00Z","id":"sysctl/net.ipv4.conf.all.rp_filter","severity":"critical","want":"0","got":"1","why":"it drops.","by":"sysctl[4711] uid 0","action":"sysctl -w a=0","took_seconds":0.0015,"times":2}`},
		{readinessEvent(health.Transition{Ready: true}, "rs1", at), `{"event":"ready","node":"rs1","time":"2027-01-15T08:00:00Z"}`},
		{readinessEvent(health.Transition{VIP: netip.MustParseAddr("172.25.84.100"), Reasons: []health.Reason{{Code: "draining", Text: "drained."}}}, "rs1", at), `{"event":"not ready","node":"rs1","time":"2027-01-15T08:00:00Z","why":"drained.","vip":"172.25.84.100","code":"draining"}`},
	} {
		got, err := json.Marshal(test.event)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, string(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// A hook that hangs costs no one but those who wait for it: one runs at a time,
// a bounded number waits, and the rest is dropped, counted and said once.
func TestHookIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, out := testLog()
		var mu sync.Mutex
		dropped, calls, running := 0, 0, 0
		h := newHook(log, func(n int) { mu.Lock(); defer mu.Unlock(); dropped += n })
		h.exec = func(ctx context.Context, _ []string, _ []byte) ([]byte, error) {
			mu.Lock()
			calls++
			running++
			if running > 1 {
				t.Error("two at once")
			}
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			running--
			return []byte("working on it"), errors.New("signal: killed")
		}
		h.post(hookEvent{Event: "ready"}) // no command, no call
		h.follow(config.Hook{Command: []string{"/bin/hang"}, Timeout: time.Second})
		start := time.Now()
		h.post(hookEvent{Event: "ready"})
		synctest.Wait()
		for range 2 * hookQueue {
			h.post(hookEvent{Event: "ready"})
		}
		if time.Since(start) > 0 {
			t.Error("posting waits")
		}
		time.Sleep(3500 * time.Millisecond)
		h.end()
		if took := time.Since(start); took > 3500*time.Millisecond+hookEnd {
			t.Errorf("the end came after %s", took)
		}
		h.post(hookEvent{Event: "ready"})
		if calls != 5 || dropped != hookQueue+hookQueue-4 {
			t.Errorf("%d calls, %d dropped", calls, dropped)
		}
		if n := strings.Count(out.String(), "hook queue full"); n != 1 || !strings.Contains(out.String(), "killed after 1s") || !strings.Contains(out.String(), `output="working on it"`) {
			t.Errorf("said %d times:\n%s", n, out)
		}
	})
}

// The command gets its input and no environment but a PATH, and no process of
// it is left when its time is over.
func TestHookRuns(t *testing.T) {
	t.Setenv("SECRET", "x")
	out, err := runHook(t.Context(), []string{"/bin/sh", "-c", "cat; env; echo $0 >&2", "arg"}, []byte("{}\n"))
	if err != nil || !strings.HasPrefix(string(out), "{}\n") || strings.Contains(string(out), "SECRET") || !strings.Contains(string(out), "PATH=/usr") || !strings.HasSuffix(string(out), "arg\n") {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := runHook(t.Context(), []string{"/bin/sh", "-c", "yes | head -c 100000"}, nil); len(out) > hookOutput {
		t.Errorf("%d bytes of output, %v", len(out), err)
	}
}

// Nothing that a hook starts outlives it, in whatever session it is.
func TestHookLeavesNoProcess(t *testing.T) {
	for name, c := range map[string]struct{ script, err string }{
		"late":              {"sleep 1000 & echo $! >PID; wait", "signal: killed"},
		"late, two":         {"setsid sh -c 'echo $$ >PID; sleep 1000; true' & wait", "it left 2 processes behind: killed"},
		"output held":       {"sleep 1000 & echo $! >PID", "it left 1 process behind: killed"},
		"in the background": {"sleep 1000 >/dev/null 2>&1 & echo $! >PID", "it left 1 process behind: killed"},
		"escaped":           {"setsid sleep 1000 >/dev/null 2>&1 & echo $! >PID; sleep 0.2", "it left 1 process behind: killed"},
		"escaped twice":     {"setsid sh -c 'setsid sleep 1000 & echo $! >PID; sleep 0.2' & wait", "it left 1 process behind: killed"},
		"ended":             {"setsid true & echo $! >PID; sleep 0.2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			pidFile := filepath.Join(t.TempDir(), "pid")
			limit := time.Minute
			if strings.HasPrefix(name, "late") {
				limit = time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err := runHook(ctx, []string{"/bin/sh", "-c", strings.ReplaceAll(c.script, "PID", pidFile)}, nil)
			if got := fmt.Sprint(err); err != nil && (c.err == "" || !strings.Contains(got, c.err)) || err == nil && c.err != "" {
				t.Errorf("error %v, want %q", err, c.err)
			}
			text, err := os.ReadFile(pidFile)
			if err != nil {
				t.Fatal(err)
			}
			if gone := eventuallyGone(strings.TrimSpace(string(text))); !gone {
				t.Errorf("process %s is left", text)
			}
		})
	}
}

// eventuallyGone reports whether a process ends within five seconds. A zombie
// has ended; whose child it is then is no affair of ours.
func eventuallyGone(pid string) bool {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) || strings.Contains(string(stat), ") Z ") {
			return true
		}
	}
	return false
}

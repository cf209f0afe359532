package health

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// A fickle service is reached while it is up.
type fickle struct{ down atomic.Bool }

func (f *fickle) dial(context.Context, netip.AddrPort) (net.Conn, error) {
	if f.down.Load() {
		return nil, errors.New("refused")
	}
	a, b := net.Pipe()
	_ = b.Close()
	return a, nil
}

func TestServiceDecides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var web fickle
		cfg := testConfig()
		cfg.Services, cfg.Dial = []Service{{VIP: vipA, Port: 80}}, web.dial
		h := New(cfg)
		run(t, h)
		h.Report(inOrder(), nil)
		if h.Ready() {
			t.Error("ready before the service was asked")
		}
		pass(h, 1)
		if !h.Ready() {
			t.Error("not ready:", h.Snapshot().Verdict.Reasons)
		}
		web.down.Store(true)
		pass(h, 2)
		s := h.Snapshot()
		if s.Verdict.Ready || s.Verdict.VIPs[0].Ready || !s.Verdict.VIPs[1].Ready {
			t.Error("ready without its service, or the other VIP is not")
		}
		web.down.Store(false)
		pass(h, 4)
		if !h.Ready() {
			t.Error("not ready again:", h.Snapshot().Verdict.Reasons)
		}
	})
}

func TestChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(testConfig())
		run(t, h)
		prev := h.Snapshot()
		next := func() []Transition {
			now := h.Snapshot()
			out := Transitions(prev, now)
			prev = now
			return out
		}
		<-h.Changed()
		h.Report(inOrder(), nil)
		<-h.Changed()
		if tr := next(); len(tr) != 3 || !tr[0].Ready || tr[0].VIP.IsValid() || tr[1].VIP != vipA {
			t.Errorf("%+v", tr)
		}
		h.Report(inOrder(), nil)
		select {
		case <-h.Changed():
			t.Error("changed by a report that says the same")
		default:
		}
		start := time.Now()
		<-h.Changed() // stale
		if took := time.Since(start); took < 3*time.Second || took > 3100*time.Millisecond {
			t.Error("stale after", took)
		}
		if tr := next(); len(tr) != 3 || tr[0].Ready {
			t.Errorf("%+v", tr)
		}
	})
}

// On a VIP neither endpoint answers, over a real connection too.
func TestNothingIsSaidOnVIP(t *testing.T) {
	t.Parallel()
	h := New(Config{VIPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if got := raw(t, serve(t, &Handler{Health: h}), "GET /livez HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 421 ") {
		t.Errorf("HTTP: %q", got)
	}
	if got := raw(t, serveAgentCheck(t, h), ""); got != "" {
		t.Errorf("agent-check: %q", got)
	}
}

// What services and probes say has IDs of the forms that are listed.
func TestIDsHaveForms(t *testing.T) {
	t.Parallel()
	h := fullHealth()
	seen := map[string]bool{}
	untold := map[netip.Addr]ProbeResult{vipA: {Outcome: CouldNotTell, Detail: "no device"}}
	for _, probed := range []map[netip.Addr]ProbeResult{outcomes(Passed, Failed), untold} {
		h.Probes(probed)
		for _, f := range h.Snapshot().findings() {
			i := slices.IndexFunc(agent.IDForms(), func(form agent.IDForm) bool {
				return form.Match(f.ID()) && slices.Contains(form.Severities, f.Severity)
			})
			if i < 0 {
				t.Errorf("%s (%s) has none of the listed forms", f.ID(), f.Severity)
				continue
			}
			seen[agent.IDForms()[i].Form] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("want a service and both kinds of probe: %v", seen)
	}
}

// Everything at once, for the race detector.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.StateDir, cfg.LedgerFile = t.TempDir(), ledgerName
	cfg.Services = []Service{{VIP: vipA, Port: 80}}
	cfg.Dial = func(context.Context, netip.AddrPort) (net.Conn, error) { return nil, errors.New("refused") }
	cfg.Interval = 100 * time.Millisecond
	h := New(cfg)
	handler := &Handler{Health: h}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	loop := func(f func()) {
		all.Go(func() {
			for ctx.Err() == nil {
				f()
				time.Sleep(100 * time.Microsecond)
			}
		})
	}
	all.Go(func() { h.Run(ctx) })
	loop(func() { h.Report(inOrder(critical("link/tunl0/up")), nil) })
	loop(func() { h.Report(agent.Report{}, io.EOF) })
	loop(func() { h.Report(look(0, "1", wrote(0, "1", "sysctl")), nil) })
	loop(func() { h.SetSources([]Source{{Name: "poll"}}); h.SetConfigProblem("no"); h.Drift(rpFilter) })
	loop(func() { h.Probes(outcomes(Passed, Failed)) })
	loop(func() { h.Probe(vipA, ProbeResult{Outcome: Failed}) })
	loop(func() { h.Reload(cfg) })
	loop(func() { _ = WriteDrain(cfg.StateDir, Drain{Since: time.Now()}); _ = ClearDrain(cfg.StateDir) })
	for _, path := range []string{"/readyz", "/readyz/172.25.84.100", "/status", "/drift", "/metrics", "/livez"} {
		loop(func() { get(handler, "GET", path, "Accept", "application/json") })
	}
	loop(func() { _ = h.Snapshot().AgentLine() })
	all.Wait()
}

// A pass over a thousand VIPs, as the loop reports it.
func BenchmarkReport(b *testing.B) {
	cfg := testConfig()
	cfg.VIPs = nil
	var findings []agent.Finding
	for i := range 1000 {
		vip := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		cfg.VIPs = append(cfg.VIPs, vip)
		findings = append(findings, seen(vip), agent.Finding{Subject: agenttest.Subject("route/" + vip.String()), Want: "local", Got: "local"})
	}
	h := New(cfg)
	r := report(findings...)
	b.ReportAllocs()
	for b.Loop() {
		h.Report(r, nil)
	}
}

package health

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"rsagent/agent"
)

// A drain is seen within 100 ms, and its end and removal too.
func TestDrainIsSeen(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.StateDir, cfg.Interval = t.TempDir(), time.Hour
	h := New(cfg)
	h.Report(inOrder(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx) }()
	defer func() { cancel(); <-done }()
	within := func(ready bool) time.Duration {
		t.Helper()
		start := time.Now()
		for h.Ready() != ready {
			if time.Since(start) > 2*time.Second {
				t.Fatalf("still ready %v", !ready)
			}
			time.Sleep(time.Millisecond)
		}
		return time.Since(start)
	}
	d, _ := NewDrain(time.Now(), "disk")
	if err := WriteDrain(cfg.StateDir, d); err != nil {
		t.Fatal(err)
	}
	t.Logf("drain seen after %s", within(false))
	if again := New(cfg); !again.Snapshot().Drain.Draining {
		t.Error("a restart forgets the drain")
	}
	if err := ClearDrain(cfg.StateDir); err != nil {
		t.Fatal(err)
	}
	t.Logf("its end seen after %s", within(true))
	d, _ = d.For(time.Now(), 300*time.Millisecond)
	if err := WriteDrain(cfg.StateDir, d); err != nil {
		t.Fatal(err)
	}
	within(false)
	within(true)
	for range 100 {
		if _, err := os.Stat(filepath.Join(cfg.StateDir, DrainFile)); os.IsNotExist(err) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the file of a drain that is over was left")
}

func TestServiceDecides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		up := true
		cfg := testConfig()
		cfg.Services = []Service{{VIP: vipA, Port: 80}}
		cfg.Dial = func(context.Context, netip.AddrPort) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			if !up {
				return nil, errors.New("refused")
			}
			a, b := net.Pipe()
			_ = b.Close()
			return a, nil
		}
		h := New(cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); h.Run(ctx) }()
		pass := func(n int) {
			for range n {
				h.Report(inOrder(), nil)
				time.Sleep(time.Second)
			}
		}
		h.Report(inOrder(), nil)
		if h.Ready() {
			t.Error("ready before the service was asked")
		}
		pass(1)
		if !h.Ready() {
			t.Error("not ready:", h.Snapshot().Verdict.Reasons)
		}
		mu.Lock()
		up = false
		mu.Unlock()
		pass(2)
		s := h.Snapshot()
		if s.Verdict.Ready || s.Verdict.VIPs[0].Ready || !s.Verdict.VIPs[1].Ready {
			t.Error("ready without its service, or the other VIP is not")
		}
		mu.Lock()
		up = true
		mu.Unlock()
		pass(4)
		if !h.Ready() {
			t.Error("not ready again:", h.Snapshot().Verdict.Reasons)
		}
		// A service that is asked for from now on does not take the VIP out
		// before it was asked, and a VIP that joins does not take the host out.
		cfg.Services = append(cfg.Services, Service{VIP: vipA, Port: 81})
		joined := netip.MustParseAddr("172.25.84.102")
		cfg.VIPs = append(cfg.VIPs, joined)
		h.Reload(cfg)
		if s := h.Snapshot(); !s.Verdict.Ready || s.Verdict.VIPs[2].Ready {
			t.Error("a reload took the host out, or vouched for a VIP:", s.Verdict.Reasons)
		}
		h.Report(inOrder(critical("addr/tunl0/172.25.84.102")), nil)
		if h.Ready() {
			t.Error("a VIP that joined and is missing does not count")
		}
		cancel()
		<-done
	})
}

// A VIP that joins and of which nothing is ever known counts after all.
func TestGraceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.VIPs = cfg.VIPs[:1]
		h := New(cfg)
		h.Report(inOrder(), nil)
		cfg.VIPs = []netip.Addr{vipA, netip.MustParseAddr("172.25.84.109")}
		h.Reload(cfg)
		for i := range 4 {
			h.Report(inOrder(), nil)
			if ready := i < 3; h.Ready() != ready {
				t.Errorf("after %d s: ready %v", i, !ready)
			}
			time.Sleep(time.Second)
		}
	})
}

// A shorter interval does not make the last report stale at once.
func TestReloadToShorterInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Interval = time.Hour
		h := New(cfg)
		h.Report(inOrder(), nil)
		time.Sleep(time.Minute)
		cfg.Interval = time.Second
		h.Reload(cfg)
		if s := h.Snapshot(); !s.Verdict.Ready || !s.Live() {
			t.Error("not ready, or not live")
		}
		time.Sleep(4 * time.Second)
		if s := h.Snapshot(); s.Verdict.Ready || s.Live() {
			t.Error("ready or live without a pass")
		}
	})
}

func TestChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(testConfig())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); h.Run(ctx) }()
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
		cancel()
		<-done
	})
}

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

// On a VIP neither endpoint answers, over a real connection too.
func TestNothingIsSaidOnVIP(t *testing.T) {
	t.Parallel()
	h := New(Config{VIPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if got := raw(t, serve(t, &Handler{Health: h}), "GET /livez HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 421 ") {
		t.Errorf("HTTP: %q", got)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.ServeAgentCheck(ctx, l) }()
	if got := raw(t, l.Addr().String(), ""); got != "" {
		t.Errorf("agent-check: %q", got)
	}
	cancel()
	<-done
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

// fullHealth has something in every metric.
func fullHealth() *Health {
	cfg := testConfig()
	cfg.Services = []Service{{VIP: vipA, Port: 80, HTTPPath: "/"}, {VIP: vipA, Port: 80, HTTPPath: "/b"}, {VIP: vipB, Port: 443}}
	cfg.ProbeInterval = time.Second
	h := New(cfg)
	r := inOrder(critical("shadow/\xff"), critical("shadow/\xfe"), critical("link/tunl0/up"), critical("link/tunl0/up"))
	r.Contended = []agent.Contention{{ID: "shadow/\xff", Fix: agent.LinkUp{}}, {ID: "shadow/\xfe", Fix: agent.LinkUp{}}, {ID: "link/tunl0/up", Fix: agent.LinkUp{}}}
	r.Done = []agent.Step{{Action: agent.LinkUp{Device: "tunl0"}, Err: errors.New("no")}}
	h.Report(r, nil)
	h.SetSources([]Source{{"netlink", "links, addresses, rp_filter"}, {"poll", "every 1s"}})
	h.SetConfigProblem("rsagent.yaml:1:1: no")
	h.HookDropped(2)
	for _, s := range cfg.Services {
		h.service(ServiceResult{Service: s, Up: s.HTTPPath != "/b", Time: time.Now(), Detail: "x"})
	}
	h.Probes(outcomes(Passed, Failed))
	return h
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
				return form.Match(f.ID) && slices.Contains(form.Severities, f.Severity)
			})
			if i < 0 {
				t.Errorf("%s (%s) has none of the listed forms", f.ID, f.Severity)
				continue
			}
			seen[agent.IDForms()[i].Form] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("want a service and both kinds of probe: %v", seen)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := get(&Handler{Health: fullHealth()}, "GET", "/metrics")
	body := w.Body.String()
	for _, line := range []string{
		"rsagent_ready 0", "rsagent_draining 0", `rsagent_vip_ready{vip="172.25.84.100"} 0`, `rsagent_vip_present{vip="172.25.84.100"} 1`,
		`rsagent_finding{id="link/tunl0/up",severity="critical"} 1`, `rsagent_finding{id="shadow/?",severity="critical"} 1`,
		`rsagent_service_up{port="80",vip="172.25.84.100"} 0`, `rsagent_service_up{port="443",vip="172.25.84.101"} 1`,
		`rsagent_probe_up{vip="172.25.84.100"} 1`, `rsagent_probe_up{vip="172.25.84.101"} 0`,
		`rsagent_drift_total{kind="shadow"} 2`, `rsagent_drift_total{kind="sysctl"} 0`, `rsagent_drift_total{kind="other"} 0`,
		`rsagent_repair_total{kind="link",result="failed"} 1`, `rsagent_repair_total{kind="link",result="done"} 0`, `rsagent_repair_seconds_bucket{le="0.0001"} 0`,
		`rsagent_contended{id="link/tunl0/up"} 1`, `rsagent_contended{id="shadow/?"} 1`, "rsagent_config_refused 1",
		`rsagent_config_info{hash="3f9a1c"} 1`, `rsagent_event_source{source="netlink"} 1`, "rsagent_hook_dropped_total 2", "rsagent_pass_duration_seconds_count 1", "rsagent_build_info{",
		"rsagent_last_evaluation_timestamp_seconds ",
	} {
		if !strings.Contains(body, "\n"+line) {
			t.Errorf("no %s in\n%s", line, body)
		}
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

// A repair is timed from the look that showed the drift to its end.
func TestRepairSeconds(t *testing.T) {
	t.Parallel()
	h := New(testConfig())
	h.Report(look(0, "1"), nil)         // by us, within a millisecond
	h.Report(open(look(100, "1")), nil) // not at first, but after half a second
	h.Report(look(600, "1"), nil)
	h.Report(open(look(700, "1")), nil) // by somebody else
	h.Report(look(800, "0"), nil)
	body := get(&Handler{Health: h}, "GET", "/metrics").Body.String()
	for _, line := range []string{
		`rsagent_repair_seconds_bucket{le="0.0005"} 0`, `rsagent_repair_seconds_bucket{le="0.001"} 1`, `rsagent_repair_seconds_bucket{le="0.5"} 1`,
		`rsagent_repair_seconds_bucket{le="1"} 2`, "rsagent_repair_seconds_count 2", `rsagent_drift_total{kind="sysctl"} 3`,
		`rsagent_repair_total{kind="sysctl",result="done"} 2`,
	} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, body)
		}
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
		findings = append(findings, seen(vip), agent.Finding{ID: "route/" + vip.String(), Want: "local", Got: "local"})
	}
	h := New(cfg)
	r := report(findings...)
	b.ReportAllocs()
	for b.Loop() {
		h.Report(r, nil)
	}
}

package health

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

func get(h http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPaths(t *testing.T) {
	t.Parallel()
	h := New(testConfig())
	handler := &Handler{Health: h}
	expect := func(path string, code int, body string) {
		t.Helper()
		w := get(handler, "GET", path)
		if w.Code != code || body != "" && w.Body.String() != body {
			t.Errorf("%s: %d %q, want %d %q", path, w.Code, w.Body, code, body)
		}
		if w.Code < 300 && path != "/metrics" && w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) {
			t.Errorf("%s: Content-Length %q for %d bytes", path, w.Header().Get("Content-Length"), w.Body.Len())
		}
	}
	for _, path := range []string{"/readyz", "/healthz", "/readyz/172.25.84.100"} {
		expect(path, 503, "not ready\n")
	}
	expect("/livez", 200, "ok\n")
	h.Report(inOrder(), nil)
	for _, path := range []string{"/readyz", "/healthz", "/readyz/172.25.84.100", "/readyz?x=y", "/readyz?verbose", "/livez"} {
		expect(path, 200, "ok\n")
	}
	h.Report(inOrder(critical("route/172.25.84.101")), nil)
	expect("/readyz", 503, "not ready\n")
	expect("/readyz?verbose", 503, "not ready\nfinding: route/172.25.84.101: want present, got absent.\n")
	expect("/readyz/172.25.84.100", 200, "ok\n")
	expect("/readyz/172.25.84.101", 503, "not ready\n")
	for _, path := range []string{
		"/readyz/172.25.84.102", "/readyz/", "/readyz/x", "/readyz/172.25.84.100/", "/readyz//", "/readyz/172.025.84.100",
		"/readyz/::ffff:172.25.84.100", "/readyz/" + strings.Repeat("1", 2000), "/", "/favicon.ico", "//readyz", "/readyz/..", "/READYZ",
	} {
		expect(path, 404, "")
	}
	for _, path := range []string{"/status", "/drift", "/metrics"} {
		expect(path, 200, "")
	}
	handler.Page = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") })
	if w := get(handler, "GET", "/"); w.Code != 200 || w.Body.String() != "page" {
		t.Errorf("page: %d %q", w.Code, w.Body)
	}
	h.Shutdown()
	expect("/readyz", 503, "not ready\n")
	expect("/livez", 200, "ok\n")
}

func TestMethods(t *testing.T) {
	t.Parallel()
	h := New(testConfig())
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND"} {
		if w := get(&Handler{Health: h}, method, "/readyz"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	h := New(testConfig())
	for accept, kind := range map[string]string{
		"":                              plain,
		"*/*":                           plain,
		"text/html, application/*":      plain,
		"application/json;q=0":          plain,
		"application/json":              "application/json",
		"text/html, Application/JSON":   "application/json",
		"application/health+json;q=0.5": "application/health+json",
		"application/json;=":            plain,
	} {
		w := get(&Handler{Health: h}, "GET", "/readyz", "Accept", accept)
		if got := w.Header().Get("Content-Type"); got != kind || w.Code != 503 {
			t.Errorf("Accept %q: %d %s, want %s", accept, w.Code, got, kind)
		}
	}
	w := get(&Handler{Health: h}, "GET", "/readyz", "Accept", "application/json")
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got["status"] != "fail" || got["output"] != "no pass has spoken of this VIP yet." {
		t.Errorf("%v, %v", got, err)
	}
}

// A director that asks the VIP would get the answer of whoever serves it.
func TestRefusedOnVIP(t *testing.T) {
	t.Parallel()
	h := New(testConfig())
	h.Report(inOrder(), nil)
	for local, code := range map[string]int{
		"172.25.84.100:9811": 421, "[::ffff:172.25.84.101]:9811": 421, "10.1.2.3:9811": 200, "127.0.0.1:9811": 200,
	} {
		ctx := context.WithValue(context.Background(), http.LocalAddrContextKey, net.Addr(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local))))
		r := httptest.NewRequestWithContext(ctx, "GET", "/readyz", nil)
		w := httptest.NewRecorder()
		(&Handler{Health: h}).ServeHTTP(w, r)
		if w.Code != code || code == 421 && !strings.Contains(w.Body.String(), "belongs to the RIP") {
			t.Errorf("%s: %d %q, want %d", local, w.Code, w.Body, code)
		}
	}
}

func TestStatusJSON(t *testing.T) {
	t.Parallel()
	web := Service{VIP: vipA, Port: 80, HTTPPath: "/"}
	cfg := testConfig()
	cfg.Services, cfg.ProbeInterval = []Service{web}, time.Second
	h := New(cfg)
	r := inOrder(critical("route/172.25.84.101"))
	r.Would = []agent.Repair{{Action: agent.LinkUp{Device: "tunl0"}}}
	r.Conflicts = []agent.Conflict{{Subject: agenttest.Subject(rpFilter), Fix: agent.SetSysctl{}, Times: 12, Owner: []string{"tuned."}}}
	h.Report(r, nil)
	h.SetSources([]Source{{"netlink", "links"}})
	h.SetConfigProblem("rsagent.yaml:1:1: no")
	h.service(ServiceResult{Service: web, Detail: "HTTP status 503, want 200 to 399", Time: time.Now()})
	h.Probe(vipA, ProbeResult{Outcome: Failed, Detail: "the tunnel is down", Time: time.Now()})
	h.Probe(vipB, ProbeResult{Detail: "no /dev/net/tun", Time: time.Now()})
	h.setDrain(DrainState{Draining: true, Drain: Drain{Since: time.Unix(0, 0).UTC(), Reason: "disk"}})
	var raw map[string]any
	body := get(&Handler{Health: h}, "GET", "/status").Body.Bytes()
	if err := json.Unmarshal(body, &raw); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"state", "node", "config", "findings", "ready", "reasons", "vips", "draining", "services", "age_seconds", "started", "version", "interval_seconds", "drifts"} {
		if _, ok := raw[key]; !ok {
			t.Errorf("no %q in %s", key, body)
		}
	}
	var ids []string
	for _, f := range raw["findings"].([]any) {
		ids = append(ids, f.(map[string]any)["id"].(string))
	}
	want := []string{"route/172.25.84.101", "service/172.25.84.100:80/", "probe/172.25.84.100", "probe"}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if raw["state"] != "critical" || raw["ready"] != false || raw["draining"].(map[string]any)["reason"] != "disk" {
		t.Errorf("%s", body)
	}
	var daemon struct {
		Events    []Source    `json:"events"`
		Refused   string      `json:"config_refused"`
		Would     []string    `json:"would"`
		Contended []FightJSON `json:"contended"`
	}
	if err := json.Unmarshal(body, &daemon); err != nil {
		t.Fatal(err)
	}
	if daemon.Events[0].Name != "netlink" || daemon.Refused != "rsagent.yaml:1:1: no" || daemon.Would[0] != "ip link set dev tunl0 up" ||
		daemon.Contended[0].ID != rpFilter || daemon.Contended[0].By != "unknown" || daemon.Contended[0].Owner[0] != "tuned." {
		t.Errorf("%s", body)
	}
	var ledger struct{ Drifts []Drift }
	body = get(&Handler{Health: h}, "GET", "/drift").Body.Bytes()
	if err := json.Unmarshal(body, &ledger); err != nil || len(ledger.Drifts) != 1 || ledger.Drifts[0].By != "unknown" {
		t.Errorf("%v: %s", err, body)
	}
}

// Before anything is known every list is a list, and nothing is null but the
// drain.
func TestStatusOfNothing(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{{}, testConfig()} {
		h := New(cfg)
		for _, path := range []string{"/status", "/drift"} {
			body := get(&Handler{Health: h}, "GET", path).Body.String()
			if strings.Contains(strings.Replace(body, `"draining": null`, "", 1), "null") || !json.Valid([]byte(body)) {
				t.Errorf("%s: %s", path, body)
			}
		}
		if h.Ready() {
			t.Error("ready without a report")
		}
	}
	if got := New(testConfig()).Snapshot().Status().State; got != agent.Unknown {
		t.Errorf("state %v before the first pass", got)
	}
}

// A loop that hangs turns unready and not live without anybody's doing.
func TestWedgedLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(testConfig())
		handler := &Handler{Health: h}
		h.Report(inOrder(), nil)
		for _, c := range []struct {
			after time.Duration
			code  int
		}{{3 * time.Second, 200}, {time.Millisecond, 503}} {
			time.Sleep(c.after)
			for _, path := range []string{"/readyz", "/livez", "/readyz/172.25.84.100"} {
				if w := get(handler, "GET", path); w.Code != c.code {
					t.Errorf("%s after %s: %d", path, c.after, w.Code)
				}
			}
		}
		if body := get(handler, "GET", "/readyz?verbose").Body.String(); !strings.Contains(body, "stale: ") {
			t.Error(body)
		}
		h.Report(agent.Report{}, io.ErrUnexpectedEOF) // turns, and knows nothing
		if a, b := get(handler, "GET", "/livez").Code, get(handler, "GET", "/readyz").Code; a != 200 || b != 503 {
			t.Errorf("livez %d, readyz %d", a, b)
		}
		h.Report(inOrder(), nil)
		if h.Ready() {
			t.Error("ready after one good report behind a gap, with rise 2")
		}
		time.Sleep(time.Second)
		h.Report(inOrder(), nil)
		if !h.Ready() {
			t.Error("not ready again")
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "/readyz", "/readyz/172.25.84.100", "/readyz/%zone", "/status", "//", "/readyz/::1%eth0", "/metrics"} {
		f.Add(s)
	}
	h := New(testConfig())
	h.Report(inOrder(), nil)
	handler := &Handler{Health: h}
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if vip, ok := strings.CutPrefix(path, "/readyz/"); ok && w.Code != 404 && vip != vipA.String() && vip != vipB.String() {
			t.Errorf("%q: %d", path, w.Code)
		}
	})
}

func BenchmarkReadyz(b *testing.B) {
	h := New(testConfig())
	h.Report(inOrder(), nil)
	handler := &Handler{Health: h}
	r := httptest.NewRequest("GET", "/readyz", nil)
	b.ReportAllocs()
	for b.Loop() {
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
}

package page

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rsagent/agent"
	"rsagent/health"
)

// fixed is a source that never changes, and counts.
type fixed struct {
	snapshot health.Snapshot
	asked    atomic.Int64
}

func (f *fixed) Snapshot() health.Snapshot { f.asked.Add(1); return f.snapshot }

func ask(h http.Handler, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

func draw(h host, rates []Rate, target string) string {
	return ask(Handler(&fixed{snapshot: h.snapshot()}, &Traffic{rates: rates}), target).Body.String()
}

func TestFragments(t *testing.T) {
	t.Parallel()
	for name, h := range hosts() {
		got := draw(h, idle(), "/?fragment")
		if name == "many" {
			got = regexp.MustCompile(`(?s)172\.25\.84\.101.*172\.25\.84\.148`).ReplaceAllString(got, "…")
		}
		got = regexp.MustCompile(`data-build="[0-9a-f]+"`).ReplaceAllString(got, `data-build="…"`)
		golden(t, "page-"+name+".html", []byte(got))
	}
}

// TestThePolicyFitsThePage: what is inline is named by its hash, nothing comes
// from elsewhere, and nothing is inline that a hash cannot name.
func TestThePolicyFitsThePage(t *testing.T) {
	t.Parallel()
	w := ask(Handler(&fixed{snapshot: hosts()["red"].snapshot()}, &Traffic{rates: busy()}), "/")
	body, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	for tag, directive := range map[string]string{"style": "style-src", "script": "script-src"} {
		m := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(body, -1)
		if len(m) != 1 || !strings.Contains(policy, directive+" '"+hash(m[0][1])+"';") {
			t.Errorf("%d of <%s>, or the hash does not fit", len(m), tag)
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
		t.Error(policy)
	}
	for _, bad := range []string{" style=", " onclick=", " onload=", "src=\"", "@import", "url(", "http://", "https://"} {
		if strings.Contains(strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Error(w.Code, w.Header())
	}
}

func TestNothingIsTakenForMarkup(t *testing.T) {
	t.Parallel()
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	h := one(func(h *host) {
		f := found(agent.Critical, "link/"+evil, evil, evil)
		f.Why = evil
		h.findings = []agent.Finding{f}
		h.drain = health.DrainState{Draining: true, Drain: health.Drain{Since: noon, Reason: evil}}
		h.drifts = []health.Drift{{ID: evil, Want: evil, Got: evil, Why: evil, Action: evil, By: evil, Since: noon}}
		h.services[0].Up, h.services[0].Detail, h.services[0].HTTPPath = false, evil, evil
		h.probes = map[int]health.ProbeResult{0: {Outcome: health.Failed, Detail: evil}}
	})
	s := h.snapshot()
	s.Node, s.Version, s.Config, s.Problem = evil, evil, evil, evil
	for _, target := range []string{"/", "/?fragment"} {
		body := ask(Handler(&fixed{snapshot: s}, nil), target).Body.String()
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img") || strings.Contains(body, `"><`+"script") {
			t.Errorf("%s: markup came through", target)
		}
		if strings.Count(body, "&lt;script&gt;alert(1)") < 10 {
			t.Errorf("%s: where is it?", target)
		}
	}
}

func TestManyViewersCostAsMuchAsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &fixed{snapshot: hosts()["green"].snapshot()}
		h := Handler(source, nil)
		for range 50 {
			ask(h, "/")
			ask(h, "/?fragment")
			time.Sleep(10 * time.Millisecond)
		}
		if n := source.asked.Load(); n != 1 {
			t.Errorf("asked %d times in half a second", n)
		}
		time.Sleep(time.Second)
		ask(h, "/")
		if n := source.asked.Load(); n != 2 {
			t.Errorf("asked %d times after it was old", n)
		}
	})
}

func TestOnlyTheRootIsAPage(t *testing.T) {
	t.Parallel()
	h := Handler(&fixed{snapshot: hosts()["green"].snapshot()}, nil)
	for target, want := range map[string]int{"/": 200, "/?x=1": 200, "/?fragment": 200, "/favicon.ico": 404, "/index.html": 404} {
		if got := ask(h, target).Code; got != want {
			t.Errorf("%s: %d, want %d", target, got, want)
		}
	}
}

func TestThePageIsBounded(t *testing.T) {
	t.Parallel()
	all := make([]int, 10_000)
	for i := range all {
		all[i] = i
	}
	began := time.Now()
	body := draw(host{vips: 10_000, missing: all}, busy(), "/")
	if len(body) > 120_000 {
		t.Errorf("%d bytes", len(body))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func BenchmarkTenThousandVIPs(b *testing.B) {
	s, rates := host{vips: 10_000, missing: []int{1}}.snapshot(), busy()
	h := Handler(&fixed{snapshot: s}, nil).(*handler)
	for b.Loop() {
		if _, err := h.render("page", NewView(s, rates)); err != nil {
			b.Fatal(err)
		}
	}
}

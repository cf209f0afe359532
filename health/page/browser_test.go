//go:build browser

package page

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rsagent/agent"
	"rsagent/health"
)

// stage is a source whose snapshot can be changed.
type stage struct {
	now atomic.Pointer[health.Snapshot]
}

func (s *stage) Snapshot() health.Snapshot { return *s.now.Load() }

func (s *stage) show(h host) {
	snapshot := h.snapshot()
	s.now.Store(&snapshot)
}

// site serves the page of a host on loopback.
func site(t *testing.T, h host, rates []Rate) (*stage, *httptest.Server) {
	s := &stage{}
	s.show(h)
	server := httptest.NewServer(Handler(s, &Traffic{rates: rates}))
	t.Cleanup(server.Close)
	return s, server
}

const drawn = `[...document.querySelectorAll('[data-hop]')].map(e => ({unknown: '.', good: 'g', warn: 'w', bad: 'B'})[e.dataset.state]).join('')`

// TestBrowser draws each host in a real browser: the hops are as the view has
// them, nothing is loaded from elsewhere, the console stays empty, and nothing
// has to be scrolled sideways, in both colour schemes and on a phone. With
// PAGE_SHOTS=<dir> the screenshots are kept there.
func TestBrowser(t *testing.T) {
	c := startChrome(t)
	want := map[string]string{
		"green": "ggggggg", "red": "gggBggg", "draining": "..ggggg", "many": "ggggBBg",
		"warned": "gwggggg", "unverified": ".......", "long": "ggwBgBg",
	}
	all := hosts()
	all["long"] = long()
	for name, h := range all {
		rates := busy()
		switch name {
		case "draining":
			rates = idle()
		case "unverified":
			rates = nil
		}
		_, server := site(t, h, rates)
		for _, width := range []int{1280, 768, 375, 320} {
			for _, scheme := range []string{"light", "dark"} {
				c.look(width, 900, scheme)
				c.open(server.URL + "/")
				if got := c.js(drawn); got != want[name] {
					t.Errorf("%s: hops %v, want %v", name, got, want[name])
				}
				if wide := c.js("document.documentElement.scrollWidth").(float64); int(wide) > width {
					t.Errorf("%s: at %d px the page is %v px wide", name, width, wide)
				}
				if narrow := c.js(`[...document.querySelectorAll('section.card')].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.id).join()`); narrow != "" {
					t.Errorf("%s: at %d px these overflow: %v", name, width, narrow)
				}
				keep(t, c, fmt.Sprintf("page-%s-%d-%s.png", name, width, scheme), width == 1280 || width == 375)
			}
		}
		for _, url := range c.requests() {
			if !strings.HasPrefix(url, "http://127.0.0.1:") && !strings.HasPrefix(url, "data:") && url != "about:blank" {
				t.Errorf("%s: asked for %s", name, url)
			}
		}
	}
	for _, complaint := range c.complaints() {
		t.Error(complaint)
	}
}

// long is a host on which every text is longer than a phone is wide.
func long() host {
	words := strings.Repeat("no-space-to-break-at", 20)
	return one(func(h *host) {
		f := found(agent.Critical, "link/"+words, words, words)
		f.Why = words
		f.Fix = agent.LinkUp{Device: words}
		h.findings = []agent.Finding{f, found(agent.Warning, "persist/net.ipv4.conf."+words+".arp_ignore", words, words)}
		h.services = []health.ServiceResult{service(0, 65535, "/"+words, false, words), service(0, 80, "/"+words, true, words)}
		h.drain = health.DrainState{Draining: true, Drain: health.Drain{Since: noon, Reason: words[:health.MaxReason]}}
		h.drifts = []health.Drift{{ID: words, Want: words, Got: words, Action: words, By: words, Since: noon, Times: 1000}}
		h.node = words[:63]
	})
}

func keep(t *testing.T, c *chrome, name string, wanted bool) {
	if dir := os.Getenv("PAGE_SHOTS"); dir != "" && wanted {
		if err := os.WriteFile(filepath.Join(dir, name), c.shot(), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// TestBrowserUpdates: what changes is seen without a reload, and only what
// changes is replaced.
func TestBrowserUpdates(t *testing.T) {
	c := startChrome(t)
	s, server := site(t, hosts()["green"], busy())
	c.open(server.URL + "/")
	c.js("window.stays = document.getElementById('headline'); window.same = document.querySelector('.plot')")
	s.show(hosts()["red"])
	c.eventually(drawn + ` === 'gggBggg'`)
	for _, expression := range []string{
		"window.stays === document.getElementById('headline')",
		"window.same === document.querySelector('.plot')",
		"document.querySelector('h1').textContent.trim() === 'Drifted'",
		"document.title === 'rs1: Drifted, Not ready'",
		"document.querySelector('#icon').href.includes('c62f2f')",
		"document.querySelector('[data-hop=\"3\"] .fix code').textContent === 'sysctl -w net.ipv4.conf.all.rp_filter=0'",
	} {
		if c.js(expression) != true {
			t.Errorf("not true: %s", expression)
		}
	}
	for _, complaint := range c.complaints() {
		t.Error(complaint)
	}
}

// TestBrowserSaysWhenItIsLost: a page that hears nothing does not stay green,
// and recovers.
func TestBrowserSaysWhenItIsLost(t *testing.T) {
	c := startChrome(t)
	var dead atomic.Bool
	s := &stage{}
	s.show(hosts()["green"])
	page := Handler(s, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if dead.Load() {
			http.Error(w, "gone", http.StatusBadGateway)
			return
		}
		page.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.open(server.URL + "/")
	dead.Store(true)
	c.eventually("!document.getElementById('lost').hidden && document.getElementById('lost').textContent.includes('No answer')")
	keep(t, c, "page-lost.png", true)
	dead.Store(false)
	c.eventually("document.getElementById('lost').hidden")
}

// TestBrowserKeepsASelection: a command that is being copied is not pulled away.
func TestBrowserKeepsASelection(t *testing.T) {
	c := startChrome(t)
	s, server := site(t, hosts()["red"], nil)
	c.open(server.URL + "/")
	c.js("getSelection().selectAllChildren(document.querySelector('.fix code'))")
	s.show(hosts()["green"])
	c.eventually("document.querySelector('h1').textContent.trim() === 'In order'")
	if c.js("getSelection().toString()") != "sysctl -w net.ipv4.conf.all.rp_filter=0" {
		t.Error("the selection is gone")
	}
	c.js("getSelection().removeAllRanges()")
	c.eventually(drawn + ` === '..ggggg'`)
}

// TestBrowserWithoutJavaScript: the snapshot is all there.
func TestBrowserWithoutJavaScript(t *testing.T) {
	c := startChrome(t)
	_, server := site(t, hosts()["red"], busy())
	c.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	c.do("Page.navigate", map[string]any{"url": server.URL + "/"}, nil)
	c.eventually("document.readyState === 'complete' && location.pathname === '/' && document.querySelectorAll('[data-hop]').length === 7")
	if got := c.js(drawn); got != "gggBggg" {
		t.Errorf("hops %v", got)
	}
	if got := c.js("document.querySelector('noscript meta[http-equiv=refresh]').content"); got != "10" {
		t.Errorf("refreshes in %v", got)
	}
	if got := c.js("document.querySelectorAll('#traffic polyline').length"); got != 2.0 {
		t.Errorf("%v lines in the plot", got)
	}
}

// TestBrowserPausesWhenHidden: a tab in the background asks for nothing, and
// catches up at once when it is looked at again.
func TestBrowserPausesWhenHidden(t *testing.T) {
	c := startChrome(t)
	s, server := site(t, hosts()["green"], nil)
	c.open(server.URL + "/")
	c.js("Object.defineProperty(document, 'hidden', {value: true, configurable: true}); 0")
	time.Sleep(2500 * time.Millisecond) // one that was under way
	before := len(c.requests())
	s.show(hosts()["red"])
	time.Sleep(4500 * time.Millisecond)
	if after := len(c.requests()); after != before {
		t.Errorf("%d requests while hidden", after-before)
	}
	c.js("Object.defineProperty(document, 'hidden', {value: false}); document.dispatchEvent(new Event('visibilitychange')); 0")
	c.eventually("document.querySelector('h1').textContent.trim() === 'Drifted'")
}

package page

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/health"
)

// TestHopsOfRealReports: what the core itself reports about a host, whole and
// broken by one command, colours the hops as a person would.
func TestHopsOfRealReports(t *testing.T) {
	t.Parallel()
	want := agent.Desired{VIPs: vips(1), Directors: []netip.Addr{netip.MustParseAddr("172.25.84.4")}}.Normal()
	for script, letters := range map[string]string{
		"":                                       "..ggg.g",
		"ip addr del 172.25.84.100/32 dev tunl0": "..ggB.g",
		"ip link set dev tunl0 down":             "..gBg.g",
		"sysctl -w net.ipv4.conf.all.rp_filter=1":                                  "..gBg.g",
		"sysctl -w net.ipv4.conf.tunl0.rp_filter=1":                                "..gBg.g",
		"sysctl -w net.ipv4.conf.all.arp_ignore=0":                                 "..Bgg.g",
		"sysctl -w net.ipv4.conf.all.arp_announce=0":                               "..Bgg.g",
		"ip addr add 172.25.84.100/32 dev eth0":                                    "..Bgg.g",
		"ip addr add 10.8.8.8/32 dev tunl0":                                        "..ggw.g",
		"ip link add ipip1 type ipip remote 172.25.84.4; ip link set dev ipip1 up": "..gBg.g",
	} {
		kernel, store := agenttest.NewRealServer(), &agenttest.MemStore{}
		if r, err := agent.Pass(t.Context(), kernel, store, want); err != nil || !r.Converged() {
			t.Fatalf("%v, left %v", err, r.Plan)
		}
		agenttest.Type(t, kernel, script)
		r, _ := agent.Look(t.Context(), kernel, store, want)
		h := health.New(health.Config{Node: "rs1", VIPs: want.VIPs})
		h.Report(r, nil)
		if got := states(Hops(h.Snapshot(), Rate{})); got != letters {
			t.Errorf("%q: %s, want %s\n%v", script, got, letters, agent.NotOK(r.After))
		}
	}
}

// TestHealthServesThePage at / and nowhere else.
func TestHealthServesThePage(t *testing.T) {
	t.Parallel()
	h := health.New(health.Config{Node: "rs1", VIPs: vips(1)})
	server := httptest.NewServer(&health.Handler{Health: h, Page: Handler(h, nil)})
	defer server.Close()
	for path, code := range map[string]int{"/": 200, "/?fragment": 200, "/x": 404} {
		answer, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		html := strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html")
		if answer.StatusCode != code || html != (code == 200) {
			t.Errorf("%s: %s, %s", path, answer.Status, answer.Header.Get("Content-Type"))
		}
	}
	answer, err := http.Get(server.URL + "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if s, err := Decode(answer.Body); err != nil || s.Node != "rs1" || len(s.VIPs) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

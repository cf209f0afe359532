package health

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// fullHealth has something in every metric.
func fullHealth() *Health {
	cfg := testConfig()
	cfg.Services = []Service{{VIP: vipA, Port: 80, HTTPPath: "/"}, {VIP: vipA, Port: 80, HTTPPath: "/b"}, {VIP: vipB, Port: 443}}
	cfg.ProbeInterval = time.Second
	h := New(cfg)
	r := inOrder(critical("shadow/\xff"), critical("shadow/\xfe"), critical("link/tunl0/up"), critical("link/tunl0/up"))
	r.Conflicts = []agent.Conflict{{Subject: agenttest.Subject("shadow/\xff"), Fix: agent.LinkUp{}}, {Subject: agenttest.Subject("shadow/\xfe"), Fix: agent.LinkUp{}}, {Subject: agenttest.Subject("link/tunl0/up"), Fix: agent.LinkUp{}}}
	r.Done = []agent.Step{{Repair: agent.Repair{Action: agent.LinkUp{Device: "tunl0"}}, Err: errors.New("no")}}
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

// The manual has every metric, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../packaging/docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(rsagent_\\w+)`").FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = true
	}
	m := newMetrics(New(testConfig()))
	ch := make(chan *prometheus.Desc, 100)
	for _, c := range []prometheus.Collector{m, m.pass, m.repair, m.drifts, m.repairs, m.dropped} {
		c.Describe(ch)
	}
	close(ch)
	name := regexp.MustCompile(`fqName: "(\w+)"`)
	for d := range ch {
		n := name.FindStringSubmatch(d.String())[1]
		if !documented[n] {
			t.Errorf("no word about %s", n)
		}
		delete(documented, n)
	}
	for n := range documented {
		t.Errorf("there is no %s", n)
	}
}

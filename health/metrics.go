package health

import (
	"net/http"
	"net/netip"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rsagent/agent"
)

// maxFindings bounds the series of rsagent_finding. Their number is also in
// rsagent_findings, which is complete.
const maxFindings = 1000

// metrics collects from the last snapshot. The values of labels come from the
// config, or are IDs of findings that are there now, so their number is
// bounded by the config.
type metrics struct {
	health  *Health
	pass    prometheus.Histogram
	repair  prometheus.Histogram
	drifts  *prometheus.CounterVec // kind
	repairs *prometheus.CounterVec // kind, result
	dropped prometheus.Counter
	kinds   map[string]bool
	handler http.Handler

	ready, draining, evaluated, beat *prometheus.Desc
	vipReady, vipPresent             *prometheus.Desc
	finding, findings                *prometheus.Desc
	service, probe, build            *prometheus.Desc
	contended, refused, info, source *prometheus.Desc
}

func newMetrics(h *Health) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("rsagent_"+name, help, labels, nil)
	}
	m := &metrics{
		health: h,
		pass: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rsagent_pass_duration_seconds", Help: "Time that a pass of the loop took.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}),
		ready:      desc("ready", "1 if this real server is ready, as /readyz says."),
		draining:   desc("draining", "1 if this real server is drained by hand."),
		evaluated:  desc("last_evaluation_timestamp_seconds", "When the last report came, in seconds since the epoch; 0 before the first."),
		beat:       desc("last_pass_timestamp_seconds", "When the loop last turned, in seconds since the epoch; 0 before the first pass."),
		vipReady:   desc("vip_ready", "1 if the VIP is usable, as /readyz/<vip> says.", "vip"),
		vipPresent: desc("vip_present", "1 if the VIP is on the tunnel; absent while that is not known.", "vip"),
		finding:    desc("finding", "1 for each finding that is not in order.", "id", "severity"),
		findings:   desc("findings", "Findings that are not in order.", "severity"),
		service:    desc("service_up", "1 if the service answers; absent before the first check.", "vip", "port"),
		probe:      desc("probe_up", "1 if the probe of the data path is answered; absent while it cannot tell.", "vip"),
		build:      desc("build_info", "Always 1; the labels say what is running.", "version", "goversion"),
		contended:  desc("contended", "1 for each finding that somebody else keeps changing.", "id"),
		refused:    desc("config_refused", "1 if the newest config was refused and the last good one goes on."),
		info:       desc("config_info", "Always 1; the label is the hash of what the config asks for.", "hash"),
		source:     desc("event_source", "1 for each source of events that is active.", "source"),
	}
	m.count()
	r := prometheus.NewRegistry()
	r.MustRegister(m, m.pass, m.repair, m.drifts, m.repairs, m.dropped, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.ready, m.draining, m.evaluated, m.beat, m.vipReady, m.vipPresent, m.finding, m.findings,
		m.service, m.probe, m.build, m.contended, m.refused, m.info, m.source,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	s := m.health.Snapshot()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		for i, l := range labels {
			labels[i] = strings.ToValidUTF8(l, "?")
		}
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(m.ready, one(s.Verdict.Ready))
	gauge(m.draining, one(s.Drain.Draining))
	gauge(m.evaluated, seconds(s.Seen))
	gauge(m.beat, seconds(s.Beat))
	gauge(m.build, 1, s.Version, runtime.Version())
	gauge(m.refused, one(s.Refused != ""))
	gauge(m.info, 1, s.Config)
	m.collectVIPs(s, gauge)
	m.collectFindings(s, gauge)
	m.collectDaemon(s, gauge)
}

type gauge func(d *prometheus.Desc, v float64, labels ...string)

func (m *metrics) collectVIPs(s Snapshot, g gauge) {
	present := presence(s.Report.After)
	for _, v := range s.Verdict.VIPs {
		vip := v.VIP.String()
		g(m.vipReady, one(v.Ready), vip)
		if p, known := present[v.VIP]; known {
			g(m.vipPresent, one(p), vip)
		}
		if r, ok := s.Probes[v.VIP]; ok && r.Outcome != CouldNotTell {
			g(m.probe, one(r.Outcome == Passed), vip)
		}
	}
	// Two paths on one port are one series: up if both are.
	type key struct{ vip, port string }
	up := map[key]bool{}
	for _, r := range s.Services {
		k := key{r.VIP.String(), r.port()}
		if before, seen := up[k]; !r.Time.IsZero() {
			up[k] = r.Up && (before || !seen)
		}
	}
	for k, v := range up {
		g(m.service, one(v), k.vip, k.port)
	}
}

func (m *metrics) collectFindings(s Snapshot, g gauge) {
	findings := s.Status().Findings
	seen := map[string]bool{}
	for _, f := range findings {
		id := strings.ToValidUTF8(f.ID(), "?")
		if key := id + " " + f.Severity.String(); !seen[key] && len(seen) < maxFindings {
			seen[key] = true
			g(m.finding, 1, id, f.Severity.String())
		}
	}
	for _, severity := range []agent.Severity{agent.Warning, agent.Unknown, agent.Critical} {
		g(m.findings, float64(agent.Count(findings, severity)), severity.String())
	}
}

// collectDaemon tells of fights and of the sources of events.
func (m *metrics) collectDaemon(s Snapshot, g gauge) {
	seen := map[string]bool{}
	for _, c := range s.Report.Conflicts {
		if id := strings.ToValidUTF8(c.ID(), "?"); !seen[id] && len(seen) < maxFindings {
			seen[id] = true
			g(m.contended, 1, id)
		}
	}
	named := map[string]bool{}
	for _, one := range s.Sources {
		if !named[one.Name] {
			named[one.Name] = true
			g(m.source, 1, one.Name)
		}
	}
}

// presence tells for each VIP the report speaks of whether it is on the tunnel.
func presence(findings []agent.Finding) map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for _, f := range findings {
		if f.Kind == agent.KindVIP && f.Severity != agent.Unknown {
			before, seen := out[f.VIP]
			out[f.VIP] = f.Severity != agent.Critical && (before || !seen)
		}
	}
	return out
}

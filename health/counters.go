package health

import (
	"github.com/prometheus/client_golang/prometheus"

	"rsagent/agent"
)

// count makes the counters, each at zero: what appears with its first count has
// no increase that Prometheus could see.
func (m *metrics) count() {
	m.repair = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "rsagent_repair_seconds", Help: "Time from the look that showed a drift to the end of its repair.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
	})
	m.drifts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rsagent_drift_total", Help: "Findings that came up since the start, by the first part of their ID.",
	}, []string{"kind"})
	m.repairs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rsagent_repair_total", Help: "Actions that were tried since the start, by the kind of what they mend.",
	}, []string{"kind", "result"})
	m.dropped = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "rsagent_hook_dropped_total", Help: "Transitions that the hook was not called for, because too many were waiting.",
	})
	m.kinds = map[string]bool{}
	for _, kind := range driftKinds() {
		m.kinds[kind] = true
		m.drifts.WithLabelValues(kind)
	}
	for _, kind := range repairKinds() {
		m.repairs.WithLabelValues(kind, "done")
		m.repairs.WithLabelValues(kind, "failed")
	}
}

// record counts what a report has brought.
func (m *metrics) record(r agent.Report, n news) {
	m.pass.Observe(r.Took.Seconds())
	for _, id := range n.came {
		m.drifts.WithLabelValues(kindOfID(id, m.kinds)).Inc()
	}
	for _, took := range n.repaired {
		m.repair.Observe(took.Seconds())
	}
	for _, s := range r.Done {
		result := "done"
		if s.Err != nil {
			result = "failed"
		}
		m.repairs.WithLabelValues(kindOfAction(s.Action), result).Inc()
	}
}

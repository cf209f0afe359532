package health

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rsagent/agent"
)

// Config is what a Health has to know, as plain values.
type Config struct {
	Node       string
	Version    string
	ConfigHash string
	VIPs       []netip.Addr
	Services   []Service
	Interval   time.Duration // of the loop; 1 s if not positive
	Rise, Fall int           // 2 and 1 if not positive
	// ProbeInterval is above zero if the data path of each VIP is probed. A
	// VIP is then not ready before its first result, whatever that says.
	ProbeInterval time.Duration
	StateDir      string // where the drain file is; empty for none
	// LedgerFile is the name of the ledger's file in StateDir; empty for none.
	LedgerFile string
	Complain   func(error) // takes what is wrong with files of our own; nil for nobody
	Dial       Dialer      // for service checks; nil means DialVIP
}

func (c Config) normal() Config {
	c.VIPs, c.Services = distinct(c.VIPs), distinct(c.Services)
	if c.Interval <= 0 {
		c.Interval = time.Second
	}
	if c.Rise <= 0 {
		c.Rise = 2
	}
	if c.Fall <= 0 {
		c.Fall = 1
	}
	if c.Dial == nil {
		c.Dial = DialVIP
	}
	return c
}

// distinct returns a copy of list without repetitions, in its order.
func distinct[T comparable](list []T) []T {
	seen := make(map[T]bool, len(list))
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool {
		again := seen[v]
		seen[v] = true
		return again
	})
}

func (c Config) policy() Policy { return Policy{Interval: c.Interval, Rise: c.Rise, Fall: c.Fall} }

// Health holds what is known about this real server and says whether it is
// ready. All methods may be called at the same time.
type Health struct {
	mu       sync.Mutex // guards what follows; held for no I/O
	cfg      Config
	report   agent.Report
	seen     time.Time
	beat     time.Time
	problem  string
	probes   map[netip.Addr]ProbeResult
	services map[Service]ServiceResult
	history  map[netip.Addr]History
	drain    DrainState
	stopping bool
	ledger   ledger
	drifts   []Drift // the ledger's list
	totals   Totals
	sources  []Source
	refused  string // why the newest config is not the one in force

	started  time.Time
	dial     Dialer
	watch    drainWatch // used by New and then by Run alone
	listen   func(dir string) *drainNews
	current  atomic.Pointer[published]
	interval atomic.Int64
	changed  chan struct{}
	reload   chan struct{}
	sooner   chan struct{} // holds a value when something may become stale before Run looks
	noted    chan struct{} // holds a value when the ledger's file is behind
	metrics  *metrics
}

// published is a snapshot with what makes answers quick.
type published struct {
	Snapshot
	vips map[netip.Addr]int // index into Verdict.VIPs; shared while the VIPs are the same
}

// New returns a Health that is not ready. The drain file, if there is one,
// counts from the beginning.
func New(cfg Config) *Health {
	h := &Health{
		cfg: cfg.normal(), started: time.Now(),
		probes: map[netip.Addr]ProbeResult{}, services: map[Service]ServiceResult{}, history: map[netip.Addr]History{},
		changed: make(chan struct{}, 1), reload: make(chan struct{}, 1), sooner: make(chan struct{}, 1), noted: make(chan struct{}, 1),
		listen: hearDrains,
	}
	h.interval.Store(int64(h.cfg.Interval))
	h.dial, h.watch.dir = h.cfg.Dial, cfg.StateDir
	h.drain = h.watch.look(h.started)
	h.loadLedger()
	h.metrics = newMetrics(h)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.evaluate()
	return h
}

// Report takes the outcome of a pass; it fits agent.Loop.Report. With an error
// the loop has turned, and nothing more is known than before unless the report
// holds findings.
func (h *Health) Report(r agent.Report, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beat, h.problem = time.Now(), ""
	if err != nil {
		h.problem = err.Error()
	}
	if r.Scope.Partial {
		h.record(r)
		h.glance()
		return
	}
	if err == nil || len(r.After) > 0 {
		h.report, h.seen = r, h.beat
		h.record(r)
	}
	h.evaluate()
}

// record takes a report into the ledger and the counters.
func (h *Health) record(r agent.Report) {
	edition := h.ledger.edition
	n := h.ledger.add(r)
	if h.ledger.edition != edition {
		signal(h.noted)
	}
	if n.changed {
		h.drifts = h.ledger.list()
	}
	h.totals.Drifts = h.ledger.drifts
	for _, s := range r.Done {
		if s.Err == nil {
			h.totals.Repaired++
		} else {
			h.totals.Failed++
		}
	}
	h.metrics.record(r, n)
}

// Drift returns the ledger's entry about a finding, if there is one.
func (h *Health) Drift(id string) (Drift, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d, ok := h.ledger.entries[id]
	if !ok {
		return Drift{}, false
	}
	return d.Drift, true
}

// A Source is where the daemon hears of changes.
type Source struct {
	Name   string `json:"name"`   // netlink, bpf, poll
	Detail string `json:"detail"` // what it tells
}

// NamesWriters reports whether the source knows who made a change.
func (s Source) NamesWriters() bool { return s.Name == "bpf" }

// SetSources takes the sources that are active now.
func (h *Health) SetSources(sources []Source) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sources = slices.Clone(sources)
	h.glance()
}

// SetConfigProblem says why the newest config was refused while the last good
// one goes on. Empty says that the newest one is in force.
func (h *Health) SetConfigProblem(problem string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = problem
	h.glance()
}

// HookDropped counts transitions that the hook was not called for, because
// too many were waiting.
func (h *Health) HookDropped(n int) { h.metrics.dropped.Add(float64(n)) }

// Probe takes the result of probing one VIP. Results for VIPs that are not in
// the config are dropped.
func (h *Health) Probe(vip netip.Addr, r ProbeResult) {
	h.Probes(map[netip.Addr]ProbeResult{vip: r})
}

// Probes takes the results of probing several VIPs.
func (h *Health) Probes(results map[netip.Addr]ProbeResult) {
	h.mu.Lock()
	defer h.mu.Unlock()
	news := false
	next := maps.Clone(h.probes) // snapshots share the old one
	for vip, r := range results {
		if slices.Contains(h.cfg.VIPs, vip) {
			old, known := next[vip]
			news = news || !known || old.Outcome != r.Outcome || old.Detail != r.Detail
			next[vip] = r
		}
	}
	h.probes = next
	if news {
		h.evaluate()
	}
}

// service takes the result of a service check.
func (h *Health) service(r ServiceResult) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Contains(h.cfg.Services, r.Service) {
		return
	}
	old := h.services[r.Service]
	h.services[r.Service] = r
	if old.Time.IsZero() || old.Up != r.Up || old.Detail != r.Detail {
		h.evaluate()
	}
}

// Shutdown makes readiness fail for good, while the handler goes on to answer
// and /livez stays as it is. It comes first when the agent stops.
func (h *Health) Shutdown() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping = true
	h.evaluate()
}

func (h *Health) setDrain(s DrainState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drain = s
	h.evaluate()
}

// Snapshot returns what is known, with staleness as of now.
func (h *Health) Snapshot() Snapshot { return h.current.Load().at(time.Now()) }

// Ready reports whether the host is ready now, in constant time.
func (h *Health) Ready() bool { return h.current.Load().readyAt(time.Now()) }

// Changed returns a channel that holds a value whenever the readiness of the
// host or of a VIP may have changed since it was last received from. It is for
// one reader, who compares snapshots, see [Transitions]. That something has
// become stale is noticed only while Run runs.
func (h *Health) Changed() <-chan struct{} { return h.changed }

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

package main

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"rsagent/agent"
	"rsagent/agent/config"
	"rsagent/agent/linux"
	"rsagent/health"
	"rsagent/health/probe"
)

// newProber returns a prober of this host's own path.
func newProber(k *linux.Host, want func() agent.Desired) *probe.Prober {
	return &probe.Prober{
		Open: func(avoid []netip.Addr) (probe.Endpoint, error) {
			d, err := linux.OpenProbeDevice(avoid...)
			if err != nil {
				return probe.Endpoint{}, err
			}
			return probe.Endpoint{Device: d, Name: d.Name(), Client: d.Client(), Stranger: d.Stranger()}, nil
		},
		Look:   func(ctx context.Context) (agent.Observed, error) { return k.Observe(ctx, want()) },
		Glance: func(ctx context.Context) (agent.Observed, error) { return k.Observe(ctx, want().Focus(nil)) },
	}
}

// job returns what a config asks to be probed: each VIP once, at its first
// service or else by echo.
func job(cfg config.Config) probe.Job {
	ports := map[netip.Addr]uint16{}
	for _, s := range cfg.Services {
		if _, ok := ports[s.VIP]; !ok {
			ports[s.VIP] = s.Port
		}
	}
	out := probe.Job{Directors: cfg.Desired.Directors, RPFilter: cfg.Desired.RPFilter}
	for _, vip := range cfg.Desired.VIPs {
		out.Targets = append(out.Targets, probe.Target{VIP: vip, Port: ports[vip]})
	}
	return out
}

// probing is the daemon's prober: it follows the config, and can be told that
// something has just changed.
type probing struct {
	kernel *linux.Host
	health *health.Health
	log    logrus.FieldLogger
	hurry  chan struct{}
	ctx    context.Context // the daemon's

	mu  sync.Mutex
	cfg config.Config

	life  sync.Mutex         // of the running prober
	stop  context.CancelFunc // nil if there is none
	ended chan struct{}
	blind bool // the last round could not tell; said once
}

// follow starts, stops or changes the prober as the config has it.
func (p *probing) follow(cfg config.Config) {
	p.life.Lock()
	defer p.life.Unlock()
	p.mu.Lock()
	same := p.stop != nil && p.cfg.Probe.Interval == cfg.Probe.Interval
	p.cfg = cfg
	p.mu.Unlock()
	if same {
		return
	}
	p.halt()
	if cfg.Probe.Interval == 0 {
		return
	}
	ctx, cancel := context.WithCancel(p.ctx)
	p.stop, p.ended = cancel, make(chan struct{})
	go func() {
		defer close(p.ended)
		p.run(ctx, cfg.Probe.Interval)
	}()
}

func (p *probing) run(ctx context.Context, interval time.Duration) {
	prober := newProber(p.kernel, func() agent.Desired { return p.config().Desired })
	defer func() { _ = prober.Close() }()
	err := prober.Run(ctx, func() probe.Job { return job(p.config()) }, interval, p.hurry, p.report)
	if err != nil && ctx.Err() == nil {
		p.log.WithError(err).Error("the data path is no longer probed")
	}
}

func (p *probing) config() config.Config {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cfg
}

// soon asks for a round without waiting for the interval.
func (p *probing) soon() {
	select {
	case p.hurry <- struct{}{}:
	default:
	}
}

// end stops the prober and waits until its device is gone.
func (p *probing) end() {
	p.life.Lock()
	defer p.life.Unlock()
	p.halt()
}

func (p *probing) halt() {
	if p.stop != nil {
		p.stop()
		<-p.ended
		p.stop = nil
	}
}

func (p *probing) report(results []probe.Result) {
	out := map[netip.Addr]health.ProbeResult{}
	blind := ""
	for _, r := range results {
		out[r.Target.VIP] = verdictOf(r)
		if r.Outcome == probe.CouldNotTell {
			blind = r.Why
		}
	}
	if blind != "" && !p.blind {
		p.log.WithField("why", blind).Warn("the probe could not tell, readiness rests on what is observed")
	}
	p.blind = blind != ""
	p.health.Probes(out)
}

// verdictOf takes a refusal for a path that works: what listens is for the
// service checks to say.
func verdictOf(r probe.Result) health.ProbeResult {
	out := health.ProbeResult{Took: r.RTT, Time: r.Time, Detail: r.Why, Hop: r.Cause.Hop(), Outcome: health.CouldNotTell}
	switch {
	case r.Outcome.PathWorks():
		out.Outcome, out.Detail = health.Passed, ""
	case r.Outcome == probe.Fail:
		out.Outcome = health.Failed
	}
	return out
}

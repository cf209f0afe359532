package health

import (
	"net/netip"
	"slices"
	"time"
)

// evaluate gives a new verdict and publishes it. The caller holds h.mu.
func (h *Health) evaluate() {
	now := time.Now()
	in := Input{
		Policy: h.cfg.policy(), VIPs: h.cfg.VIPs, Now: now,
		Report: h.report, Seen: h.seen,
		Probing: h.cfg.ProbeInterval > 0, Probes: h.probes, Services: h.results(),
		Drain: h.drain, Stopping: h.stopping, History: h.history,
	}
	v := Evaluate(in)
	for _, one := range v.VIPs {
		h.history[one.VIP] = one.History
	}
	h.publish(in, v)
}

func (h *Health) results() []ServiceResult {
	out := make([]ServiceResult, len(h.cfg.Services))
	for i, s := range h.cfg.Services {
		out[i] = h.services[s]
		out[i].Service = s
	}
	return out
}

func (h *Health) publish(in Input, v Verdict) {
	prev := h.current.Load()
	p := &published{Snapshot: Snapshot{
		Node: h.cfg.Node, Version: h.cfg.Version, Config: h.cfg.ConfigHash,
		Now: in.Now, Started: h.started, Policy: in.Policy,
		Report: h.report, Seen: h.seen, Beat: h.beat, Problem: h.problem, Verdict: v,
		Drain: h.drain, Stopping: h.stopping, Probing: in.Probing, Probes: h.probes, Services: in.Services,
		Drifts: h.drifts, Totals: h.totals, Sources: h.sources, Refused: h.refused,
	}}
	if prev != nil && sameVIPs(prev.Verdict.VIPs, v.VIPs) {
		p.vips = prev.vips
	} else {
		p.vips = make(map[netip.Addr]int, len(v.VIPs))
		for i, one := range v.VIPs {
			p.vips[one.VIP] = i
		}
	}
	h.current.Store(p)
	if !v.Fresh.IsZero() && (prev == nil || v.Fresh.Before(prev.Verdict.Fresh) || !in.Now.Before(prev.Verdict.Fresh)) {
		signal(h.sooner)
	}
	if prev == nil || differ(prev.Verdict.At(in.Now), v) {
		signal(h.changed)
	}
}

// glance publishes what changes no verdict: that the loop has turned, what it
// mended on its way, and how the agent itself goes. The caller holds h.mu.
func (h *Health) glance() {
	p := *h.current.Load()
	p.Beat, p.Problem, p.Drifts, p.Totals = h.beat, h.problem, h.drifts, h.totals
	p.Sources, p.Refused = h.sources, h.refused
	h.current.Store(&p)
}

func sameVIPs(a, b []VIPVerdict) bool {
	return slices.EqualFunc(a, b, func(a, b VIPVerdict) bool { return a.VIP == b.VIP })
}

func differ(a, b Verdict) bool {
	return a.Ready != b.Ready ||
		!slices.EqualFunc(a.VIPs, b.VIPs, func(a, b VIPVerdict) bool { return a.VIP == b.VIP && a.Ready == b.Ready })
}

// readyAt is the answer of /readyz: constant time, no lock.
func (p *published) readyAt(now time.Time) bool {
	return p.Verdict.ReadyAt(now)
}

// vipReadyAt is the answer of /readyz/<vip>.
func (p *published) vipReadyAt(vip netip.Addr, now time.Time) (ready, known bool) {
	i, known := p.vips[vip]
	return known && p.Verdict.VIPs[i].ReadyAt(now), known
}

package probe_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"rsagent/agent"
	"rsagent/agent/packet"
	"rsagent/health/probe"
)

// A director's address is not used while the kernel would complain to it.
func TestNothingIsSaidToARealDirector(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*host){
		"no module":   func(h *host) { h.got.Module.Loaded = false; h.got.Links = h.got.Links[:2] },
		"tunnel down": func(h *host) { link(h, "tunl0").Up = false },
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHost()
			spoil(h)
			h.firewall = func(p packet.Header) bool {
				if p.Src != stranger {
					t.Errorf("%s: sent as %s", name, p.Src)
				}
				return false
			}
			h.prober().Round(t.Context(), probe.Job{Targets: []probe.Target{web}, Directors: []netip.Addr{dip}})
		})
	}
}

func TestManyTargetsAreProbedAFewAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		var job probe.Job
		addr := netip.MustParseAddr("100.64.0.1")
		for i := range 1000 {
			if i != 500 {
				h.got.Addrs = append(h.got.Addrs, agent.Addr{Index: 3, Prefix: netip.PrefixFrom(addr, 32)})
			}
			job.Targets = append(job.Targets, probe.Target{VIP: addr, Port: 80})
			addr = addr.Next()
		}
		start := time.Now()
		for i, r := range h.prober().Round(t.Context(), job) {
			if want := i == 500; (r.Cause == probe.VIPMissing) != want || (r.Outcome == probe.Pass) == want {
				t.Errorf("%d: got %s %q", i, r.Outcome, r.Cause)
			}
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v", took)
		}
		if h.most > 32 || h.half != 0 {
			t.Errorf("%d half open at once, %d left", h.most, h.half)
		}
	})
}

func TestWhatKeepsAProbeFromRunningIsSaid(t *testing.T) {
	t.Parallel()
	h := newHost()
	p := h.prober()
	p.Open = func([]netip.Addr) (probe.Endpoint, error) {
		return probe.Endpoint{}, errors.New("/dev/net/tun: no such file")
	}
	job := probe.Job{Targets: []probe.Target{web, echo}}
	for _, r := range p.Round(t.Context(), job) {
		if r.Outcome != probe.CouldNotTell || r.Why != "/dev/net/tun: no such file" || r.Way != nil {
			t.Errorf("got %+v", r)
		}
	}
	p = h.prober()
	p.Look = func(context.Context) (agent.Observed, error) { return agent.Observed{}, errors.New("netlink: timeout") }
	if r := p.Round(t.Context(), job)[0]; r.Outcome != probe.CouldNotTell || r.Why != "netlink: timeout" {
		t.Errorf("got %+v", r)
	}
}

func TestACancelledRoundTellsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.firewall = any4
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		r := h.prober().Round(ctx, probe.Job{Targets: []probe.Target{web}})[0]
		if took := time.Since(start); r.Outcome != probe.CouldNotTell || took > 150*time.Millisecond {
			t.Errorf("got %s after %v", r.Outcome, took)
		}
	})
}

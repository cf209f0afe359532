package probe_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rsagent/agent"
	"rsagent/agent/director"
	"rsagent/health/probe"
	"rsagent/sysctl"
)

func tcp(p director.IPv4Header) bool { return p.Protocol == 6 }
func any4(director.IPv4Header) bool  { return true }

func link(h *host, name string) *agent.Link {
	for i := range h.got.Links {
		if h.got.Links[i].Name == name {
			return &h.got.Links[i]
		}
	}
	panic(name)
}

var causes = []struct {
	name    string
	target  probe.Target
	spoil   func(*host)
	outcome probe.Outcome
	cause   probe.Cause
	hop     string // that failed
	why     string
}{
	{name: "healthy", target: web},
	{name: "healthy, echo", target: echo},
	{name: "two packets lost", target: web, spoil: func(h *host) { h.lost = 2 }},
	{name: "no module", target: web, spoil: func(h *host) { h.got.Module.Loaded = false; h.got.Links = h.got.Links[:2] },
		outcome: probe.Fail, cause: probe.NoModule, hop: "protocol 4", why: "ICMP says protocol unreachable, IpInUnknownProtos +3"},
	{name: "no module, ICMP limited", target: web, spoil: func(h *host) { h.got.Module.Loaded = false; h.got.Links = h.got.Links[:2]; h.quiet = true },
		outcome: probe.Fail, cause: probe.NoModule, hop: "protocol 4", why: "IpInUnknownProtos +3"},
	{name: "no tunnel", target: web, spoil: func(h *host) { h.got.Links = h.got.Links[:2] },
		outcome: probe.Fail, cause: probe.TunnelMissing, hop: "tunnel", why: "port unreachable"},
	{name: "tunnel down", target: echo, spoil: func(h *host) { link(h, "tunl0").Up = false },
		outcome: probe.Fail, cause: probe.TunnelDown, hop: "tunnel", why: "port unreachable"},
	{name: "shadow of a director", target: web, spoil: func(h *host) {
		h.got.Links = append(h.got.Links, agent.Link{Index: 9, Name: "sh0", Kind: "ipip", Up: true, Local: rip, Remote: dip})
		h.set("sh0", 1)
	}, outcome: probe.Fail, cause: probe.Shadow, hop: "tunnel", why: "rx/sh0 +3"},
	{name: "shadow that works", target: web, spoil: func(h *host) {
		h.got.Links = append(h.got.Links, agent.Link{Index: 9, Name: "sh0", Kind: "ipip", Up: true, Local: rip})
	}},
	{name: "strict by all", target: web, spoil: func(h *host) { h.set("all", 1) },
		outcome: probe.Fail, cause: probe.RPFilter, hop: "rp_filter", why: "1 = max(all 1, tunl0 0); change net.ipv4.conf.all.rp_filter, TcpExtIPReversePathFilter +3"},
	{name: "strict by the tunnel", target: echo, spoil: func(h *host) { h.set("tunl0", 1) },
		outcome: probe.Fail, cause: probe.RPFilter, hop: "rp_filter", why: "change net.ipv4.conf.tunl0.rp_filter,"},
	{name: "strict by both", target: web, spoil: func(h *host) { h.set("all", 1); h.set("tunl0", 1) },
		outcome: probe.Fail, cause: probe.RPFilter, hop: "rp_filter", why: "net.ipv4.conf.all.rp_filter and net.ipv4.conf.tunl0.rp_filter"},
	{name: "VIP missing", target: web, spoil: func(h *host) { h.got.Addrs = h.got.Addrs[:1] },
		outcome: probe.Fail, cause: probe.VIPMissing, hop: "VIP", why: "IpInAddrErrors +3"},
	{name: "VIP missing and strict", target: web, spoil: func(h *host) { h.got.Addrs = h.got.Addrs[:1]; h.set("all", 1) },
		outcome: probe.Fail, cause: probe.VIPMissing, hop: "VIP", why: "IpInAddrErrors +3"},
	{name: "forwarded", target: web, spoil: func(h *host) { forward(h) },
		outcome: probe.Fail, cause: probe.Forwarded, hop: "VIP", why: "time exceeded"},
	{name: "forwarded, ICMP limited", target: web, spoil: func(h *host) { forward(h); h.quiet = true },
		outcome: probe.Fail, cause: probe.Forwarded, hop: "VIP", why: "IpInHdrErrors +3"},
	{name: "forwarding and strict", target: web, spoil: func(h *host) { forward(h); h.set("tunl0", 1) },
		outcome: probe.Fail, cause: probe.RPFilter, hop: "rp_filter", why: "IPReversePathFilter +3"},
	{name: "firewall", target: web, spoil: func(h *host) { h.firewall = any4 },
		outcome: probe.Fail, cause: probe.Firewall, hop: "packet in", why: "disappears before the tunnel"},
	{name: "firewall, echo", target: echo, spoil: func(h *host) { h.firewall = any4 },
		outcome: probe.Fail, cause: probe.Firewall, hop: "packet in", why: "disappears before the tunnel"},
	{name: "firewall, echo ignored", target: echo, spoil: func(h *host) { h.firewall = any4; h.ignores = true },
		outcome: probe.Fail, cause: probe.Firewall, hop: "packet in", why: "disappears before the tunnel"},
	{name: "firewall against a director", target: web, spoil: func(h *host) { h.firewall = func(p director.IPv4Header) bool { return p.Src == dip } },
		outcome: probe.Fail, cause: probe.Firewall, hop: "packet in", why: "what this director sends"},
	{name: "firewall against the second director", target: web, spoil: func(h *host) { h.firewall = func(p director.IPv4Header) bool { return p.Src == dip2 } },
		outcome: probe.Fail, cause: probe.Firewall, hop: "packet in", why: "from 10.0.0.5"},
	{name: "firewall for directors only", target: web, spoil: func(h *host) { h.firewall = func(p director.IPv4Header) bool { return p.Src == stranger } }},
	{name: "firewall behind the tunnel", target: web, spoil: func(h *host) { h.drops = tcp },
		outcome: probe.Fail, cause: probe.Firewall, hop: "service", why: "3 packets came out of tunl0"},
	{name: "echo dropped behind the tunnel", target: echo, spoil: func(h *host) { h.drops = any4 }, outcome: probe.CouldNotTell, why: "echo alone"},
	{name: "echo ignored", target: echo, spoil: func(h *host) { h.ignores = true }, outcome: probe.CouldNotTell, why: "icmp_echo_ignore_all"},
	{name: "echo ignored and strict", target: echo, spoil: func(h *host) { h.ignores = true; h.set("all", 1) },
		outcome: probe.Fail, cause: probe.RPFilter, hop: "rp_filter"},
	{name: "queue full", target: web, spoil: func(h *host) { h.full = true },
		outcome: probe.Fail, cause: probe.Backlog, hop: "service", why: "TcpExtListenDrops +3"},
	{name: "nothing listens", target: probe.Target{VIP: vip, Port: 81}, outcome: probe.Refused, cause: probe.NothingListening, hop: "service", why: "RST"},
	{name: "route says otherwise", target: web, spoil: func(h *host) {
		h.got.Verdicts = map[netip.Addr]agent.Verdict{vip: {Text: "blackhole"}}
		h.drops = any4
	}, outcome: probe.Fail, cause: probe.Route, hop: "VIP", why: "blackhole"},
	{name: "no address on a NIC", target: web, spoil: func(h *host) { link(h, "eth0").Up = false }, outcome: probe.CouldNotTell, why: "no address of its own"},
	{name: "device gone", target: web, spoil: func(h *host) { h.broken = errBroken }, outcome: probe.CouldNotTell, why: "rsprobe0: file descriptor in bad state"},
}

func forward(h *host) {
	h.got.Addrs = h.got.Addrs[:1]
	h.got.Sysctls[sysctl.Key{Scope: "tunl0", Name: "forwarding"}] = 1
}

func TestEveryCauseIsNamed(t *testing.T) {
	t.Parallel()
	for _, row := range causes {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				if row.spoil != nil {
					row.spoil(h)
				}
				job := probe.Job{Targets: []probe.Target{row.target}, Directors: []netip.Addr{dip}}
				if strings.Contains(row.name, "second director") {
					job.Directors = append(job.Directors, dip2)
				}
				r := h.prober().Round(t.Context(), job)[0]
				if r.Target != row.target || r.Outcome != row.outcome || r.Cause != row.cause || !strings.Contains(r.Why, row.why) {
					t.Errorf("got %s %s %q %q, want %s %s %q %q", r.Target, r.Outcome, r.Cause, r.Why, row.target, row.outcome, row.cause, row.why)
				}
				if failed := failedHop(r); failed != row.hop {
					t.Errorf("got hop %q, want %q", failed, row.hop)
				}
				if h.half != 0 {
					t.Errorf("%d connections left half open", h.half)
				}
			})
		})
	}
}

// failedHop also holds the way to its form: every hop in order, the ones before the failed one passed, the rest not reached.
func failedHop(r probe.Result) string {
	failed, over := "", false
	for i, h := range r.Way {
		switch {
		case h.Name != probe.HopNames()[i]:
			return "out of order: " + h.Name
		case h.State == probe.HopFailed && !over:
			failed, over = h.Name, true
		case h.State == probe.HopUnknown && (over || r.Outcome == probe.CouldNotTell):
		case h.State != probe.HopOK || over:
			return "wrong state: " + h.Name
		}
	}
	if r.Way != nil && len(r.Way) != len(probe.HopNames()) {
		return "incomplete"
	}
	return failed
}

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
			h.firewall = func(p director.IPv4Header) bool {
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

// The device is opened once and kept, opened again when it fails, and closed in the end.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		opened := 0
		p := h.prober()
		open := p.Open
		p.Open = func(avoid []netip.Addr) (probe.Endpoint, error) { opened++; return open(avoid) }
		var targets []probe.Target
		for port := range uint16(10) {
			h.open[80+port] = true
			targets = append(targets, probe.Target{VIP: vip, Port: 80 + port})
		}
		ctx, cancel := context.WithCancel(t.Context())
		hurry := make(chan struct{})
		ended := make(chan error)
		var mu sync.Mutex
		var heardSizes []int
		var heardTimes []time.Duration
		heard := func() ([]int, []time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(heardSizes), slices.Clone(heardTimes)
		}
		start := time.Now()
		go func() {
			ended <- p.Run(ctx, func() probe.Job { return probe.Job{Targets: targets} }, 5*time.Second, hurry, func(rs []probe.Result) {
				mu.Lock()
				defer mu.Unlock()
				heardSizes, heardTimes = append(heardSizes, len(rs)), append(heardTimes, time.Since(start))
			})
		}()
		time.Sleep(4 * time.Second)
		sizes, _ := heard()
		if len(sizes) != 1 || sizes[0] != 10 {
			t.Errorf("the first sweep: got %v, want all at once", sizes)
		}
		time.Sleep(3600 * time.Millisecond)
		sizes, times := heard()
		if len(sizes) != 7 || sizes[6] != 1 || times[6] != 7500*time.Millisecond {
			t.Errorf("the second: got %v at %v, want one each half second", sizes, times)
		}
		hurry <- struct{}{}
		time.Sleep(10 * time.Millisecond)
		sizes, _ = heard()
		if len(sizes) != 8 || sizes[7] != 10 {
			t.Errorf("in a hurry: got %v", sizes)
		}
		h.mu.Lock()
		h.broken = errBroken
		h.mu.Unlock()
		time.Sleep(6 * time.Second)
		h.mu.Lock()
		h.broken = nil
		h.mu.Unlock()
		time.Sleep(5 * time.Second)
		cancel()
		if err := <-ended; err != nil || opened < 2 || h.closed != opened {
			t.Errorf("got %v, opened %d times and closed %d times", err, opened, h.closed)
		}
	})
}

func TestRunWithoutTargetsWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		asked := 0
		err := newHost().prober().Run(ctx, func() probe.Job { asked++; return probe.Job{} }, 5*time.Second, nil, nil)
		if err != nil || asked > 13 {
			t.Errorf("got %v, asked %d times", err, asked)
		}
	})
}

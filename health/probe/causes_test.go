package probe_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"rsagent/agent"
	"rsagent/agent/packet"
	"rsagent/health/probe"
	"rsagent/sysctl"
)

func tcp(p packet.Header) bool { return p.Protocol == 6 }
func any4(packet.Header) bool  { return true }

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
	{name: "firewall against a director", target: web, spoil: func(h *host) { h.firewall = func(p packet.Header) bool { return p.Src == dip } },
		outcome: probe.Fail, cause: probe.Firewall, hop: "packet in", why: "what this director sends"},
	{name: "firewall against the second director", target: web, spoil: func(h *host) { h.firewall = func(p packet.Header) bool { return p.Src == dip2 } },
		outcome: probe.Fail, cause: probe.Firewall, hop: "packet in", why: "from 10.0.0.5"},
	{name: "firewall for directors only", target: web, spoil: func(h *host) { h.firewall = func(p packet.Header) bool { return p.Src == stranger } }},
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

var hopNames = []string{"packet in", "protocol 4", "tunnel", "rp_filter", "VIP", "service", "reply"}

// failedHop also holds the way to its form: every hop in order, the ones before the failed one passed, the rest not reached.
func failedHop(r probe.Result) string {
	failed, over := "", false
	for i, h := range r.Way {
		switch {
		case h.Name != hopNames[i]:
			return "out of order: " + h.Name
		case h.State == probe.HopFailed && !over:
			failed, over = h.Name, true
		case h.State == probe.HopUnknown && (over || r.Outcome == probe.CouldNotTell):
		case h.State != probe.HopOK || over:
			return "wrong state: " + h.Name
		}
	}
	if r.Way != nil && len(r.Way) != len(hopNames) {
		return "incomplete"
	}
	return failed
}

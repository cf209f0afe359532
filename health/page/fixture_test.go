package page

import (
	"math"
	"net/netip"
	"time"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/health"
	"rsagent/sysctl"
)

// noon is when every snapshot of these tests is taken.
var noon = time.Date(2025, 3, 4, 12, 0, 0, 0, time.UTC)

func vips(n int) []netip.Addr {
	out := make([]netip.Addr, n)
	a := netip.MustParseAddr("172.25.84.100")
	for i := range out {
		out[i], a = a, a.Next()
	}
	return out
}

// host describes a snapshot: what it is made of, beside a healthy rest.
type host struct {
	vips     int
	missing  []int           // VIPs that are not in place
	findings []agent.Finding // added to the report
	without  []string        // IDs left out of it
	services []health.ServiceResult
	probes   map[int]health.ProbeResult // the others pass
	drain    health.DrainState
	drifts   []health.Drift
	totals   health.Totals
	sources  []health.Source
	refused  string
	fights   []agent.Conflict
	would    []agent.Repair
	unseen   bool
	node     string
	age      time.Duration
}

// row is a finding that is in order.
func row(id, subject, name, got string) agent.Finding {
	return agent.Finding{Subject: agenttest.Subject(id), Want: got, Got: got, Row: &agent.Row{Subject: subject, Name: name, Got: got}}
}

func gateway() agent.Finding {
	f := row("gateway", "gateway", "172.25.84.1", "default via 172.25.84.1 dev eth0")
	f.Device = "eth0"
	return f
}

func (h host) report() agent.Report {
	list := []agent.Finding{
		row("module/ipip", "module", "ipip", "loaded"),
		row("link/tunl0", "link", "tunl0", "up, any to any, mtu 1480"),
		row("sysctl/net.ipv4.conf.all.arp_ignore", "sysctl", "arp_ignore", "1 = max(all 1, eth0 0)"),
		row("sysctl/net.ipv4.conf.all.arp_announce", "sysctl", "arp_announce", "2 = max(all 2, eth0 0)"),
		row("sysctl/net.ipv4.conf.all.rp_filter", "sysctl", "rp_filter", "0 = max(all 0, tunl0 0)"),
		gateway(),
	}
	missing := map[int]bool{}
	for _, i := range h.missing {
		missing[i] = true
	}
	for i, vip := range vips(h.vips) {
		f := row("addr/tunl0/"+vip.String(), "address", vip.String(), "present")
		if missing[i] {
			f = agent.Finding{
				Subject: f.Subject, Severity: agent.Critical, Want: "present", Got: "absent",
				Why: "packets for the VIP are not ours, so the kernel drops them.",
				Fix: agent.AddAddr{Device: "tunl0", Prefix: netip.PrefixFrom(vip, 32), Label: "tunl0:rs"},
			}
		}
		list = append(list, f)
	}
	drop := map[string]bool{}
	for _, id := range h.without {
		drop[id] = true
	}
	for _, f := range h.findings {
		drop[f.ID()] = true
	}
	var kept []agent.Finding
	for _, f := range list {
		if !drop[f.ID()] {
			kept = append(kept, f)
		}
	}
	kept = append(kept, h.findings...)
	return agent.Report{Time: noon, Took: 3 * time.Millisecond, Before: kept, After: kept, VIPs: h.vips, Conflicts: h.fights, Would: h.would}
}

// snapshot returns the host as health would publish it.
func (h host) snapshot() health.Snapshot {
	policy := health.Policy{Interval: time.Second, Rise: 2, Fall: 1}
	seen := noon.Add(-400*time.Millisecond - h.age)
	s := health.Snapshot{
		Node: "rs1", Version: "1.4.0", Config: "3f9a1c77e2b0", Now: noon, Started: noon.Add(-49 * time.Hour),
		Policy: policy, Drain: h.drain, Probing: true, Probes: map[netip.Addr]health.ProbeResult{},
		Services: h.services, Drifts: h.drifts, Totals: h.totals, Sources: h.sources, Refused: h.refused,
	}
	if h.node != "" {
		s.Node = h.node
	}
	if h.unseen {
		s.Started = noon.Add(-time.Second)
	} else {
		s.Report, s.Seen, s.Beat = h.report(), seen, seen
		for i, vip := range vips(h.vips) {
			r, odd := h.probes[i]
			if !odd {
				r = health.ProbeResult{Outcome: health.Passed, Took: 310 * time.Microsecond, Time: seen}
			}
			s.Probes[vip] = r
		}
	}
	s.Verdict = health.Evaluate(health.Input{
		Policy: policy, VIPs: vips(h.vips), Now: seen, Report: s.Report, Seen: s.Seen,
		Probing: true, Probes: s.Probes, Services: h.services, Drain: h.drain,
	}).At(noon)
	return s
}

func service(i int, port uint16, path string, up bool, detail string) health.ServiceResult {
	return health.ServiceResult{
		Service: health.Service{VIP: vips(i + 1)[i], Port: port, HTTPPath: path},
		Up:      up, Detail: detail, Took: 900 * time.Microsecond, Time: noon.Add(-time.Second),
	}
}

func web(i int) []health.ServiceResult {
	return []health.ServiceResult{service(i, 80, "/", true, "200 OK"), service(i, 443, "", true, "connected")}
}

func rpFilter() agent.Finding {
	key := sysctl.Key{Scope: sysctl.All, Name: sysctl.RPFilter}
	return agent.Finding{
		Subject: agent.SubjectOf(key), Severity: agent.Critical, Want: "0", Got: "1",
		Why: "the larger of all (1) and tunl0 (0) counts: 1 drops every decapsulated packet, since its way back is not through the tunnel. Changing tunl0 alone cannot win.",
		Fix: agent.SetSysctl{Key: key, Value: 0},
	}
}

func anySender() agent.Finding {
	return agent.Finding{
		Subject: agent.Subject{Kind: agent.KindSenders}, Severity: agent.Warning, Want: "known directors", Got: "anyone",
		Why: "IPIP knows no authentication: whoever reaches this host can put packets into it; name the directors in the config.",
	}
}

func drifts() []health.Drift {
	at := func(ago time.Duration) time.Time { return noon.Add(-ago) }
	return []health.Drift{
		{ID: "sysctl/net.ipv4.conf.all.rp_filter", Severity: agent.Critical, Want: "0", Got: "1", FirstSeen: at(3 * time.Hour), Since: at(8 * time.Second), LastSeen: at(time.Second), Action: "sysctl -w net.ipv4.conf.all.rp_filter=0", Times: 14, By: "sysctl[4711] uid 0", Attempts: 8, Contended: true},
		{ID: "addr/tunl0/172.25.84.100", Severity: agent.Critical, Want: "present", Got: "absent", FirstSeen: at(40 * time.Minute), Since: at(5 * time.Minute), LastSeen: at(5 * time.Minute), Repaired: at(5*time.Minute - 3*time.Millisecond), Action: "ip addr add 172.25.84.100/32 dev tunl0 label tunl0:rs", Times: 2, By: "unknown"},
		{ID: "link/tunl0/up", Severity: agent.Critical, Want: "up", Got: "down", FirstSeen: at(5 * time.Hour), Since: at(5 * time.Hour), LastSeen: at(5 * time.Hour), Repaired: at(5*time.Hour - 4*time.Second), Times: 1, By: "unknown"},
	}
}

// hosts are the snapshots that are drawn, in goldens and in the browser.
func hosts() map[string]host {
	green := host{vips: 1, services: web(0)}
	red := green
	red.findings, red.drifts, red.totals = []agent.Finding{rpFilter()}, drifts(), health.Totals{Drifts: 17, Repaired: 16, Failed: 1}
	red.sources = []health.Source{{Name: "netlink", Detail: "links, addresses, rp_filter"}, {Name: "bpf", Detail: "sysctl writes with pid and command"}, {Name: "poll", Detail: "every 1s"}}
	red.fights = []agent.Conflict{{
		Subject: rpFilter().Subject, Fix: rpFilter().Fix, Times: 14, By: agent.Actor{PID: 4711, Comm: "sysctl"},
		Owner: []string{"/etc/sysctl.d/99-hardening.conf:3 sets it to 1."},
	}}
	red.probes = map[int]health.ProbeResult{0: {Outcome: health.Failed, Detail: "rp_filter drops it (net.ipv4.conf.all.rp_filter is 1)", Time: noon}}
	draining := green
	draining.drain = health.DrainState{Draining: true, Drain: health.Drain{Since: noon.Add(-4 * time.Minute), Until: noon.Add(11 * time.Minute), Reason: "kernel update"}}
	many := host{vips: 200, missing: []int{17}, services: append(web(17), web(18)...)}
	many.probes = map[int]health.ProbeResult{17: {Outcome: health.Failed, Detail: "the VIP is not on this host", Time: noon}}
	many.services[1].Up, many.services[1].Detail = false, "connection refused"
	warned := green
	warned.refused = "rsagent.yaml:2:11: interval: 10 has no unit: want a duration from 100ms to 1h, such as 1s"
	warned.would = []agent.Repair{{Subject: rpFilter().Subject, Action: rpFilter().Fix}}
	warned.findings, warned.drifts, warned.totals = []agent.Finding{anySender()}, drifts()[1:], health.Totals{Drifts: 3, Repaired: 2}
	return map[string]host{
		"green": green, "red": red, "draining": draining, "many": many, "warned": warned,
		"unverified": {vips: 1, services: []health.ServiceResult{{Service: web(0)[0].Service}}, unseen: true},
	}
}

// busy is ten minutes of traffic, up to noon.
func busy() []Rate {
	var out []Rate
	for i := range 600 {
		v := 0.5 + 0.3*math.Sin(float64(i)/47) + 0.08*math.Sin(float64(i)/5)
		if i > 330 && i < 360 {
			continue // nothing is known
		}
		out = append(out, Rate{At: noon.Add(time.Duration(i-599) * time.Second), Bits: v * 31e6, Packets: v * 2600, OK: true})
	}
	return out
}

// idle is ten minutes without any.
func idle() []Rate {
	var out []Rate
	for i := range 600 {
		out = append(out, Rate{At: noon.Add(time.Duration(i-599) * time.Second), OK: true})
	}
	return out
}

// states writes the hops' states as letters: ..gggg means that client and
// director are grey.
func states(hops []Hop) string {
	out := ""
	for _, h := range hops {
		out += map[State]string{Unknown: ".", Good: "g", Warn: "w", Bad: "B"}[h.State]
	}
	return out
}

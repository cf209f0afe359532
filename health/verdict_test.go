package health

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

func input(r agent.Report) Input {
	now := time.Now()
	return Input{
		Policy: Policy{time.Second, 2, 1}, VIPs: []netip.Addr{vipA, vipB}, Now: now, Seen: now, Report: r,
	}
}

func unknown(id string) agent.Finding {
	return agent.Finding{Subject: agenttest.Subject(id), Severity: agent.Unknown, Want: "readable", Got: "could not tell"}
}

func stray(id string) agent.Finding {
	return agent.Finding{Subject: agenttest.Subject(id), Severity: agent.Critical, Want: "absent", Got: "present as 172.25.84.100/32"}
}

// What the first evaluation says about a single finding.
func TestBearing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f          agent.Finding
		host, a, b bool
	}{
		{critical("module/ipip"), false, false, false},
		{critical("link/tunl0"), false, false, false},
		{critical("link/tunl0/up"), false, false, false},
		{critical("shadow/tun9"), false, false, false},
		{critical("shadow/172.25.84.100"), false, false, false},
		{critical("sysctl/net.ipv4.conf.all.rp_filter"), false, false, false},
		{critical("sysctl/net.ipv4.conf.tunl0.rp_filter"), false, false, false},
		{critical("sysctl/net.ipv4.conf.all.arp_ignore"), true, true, true},
		{critical("sysctl/net.ipv4.conf.eth0.arp_announce"), true, true, true},
		{critical("addr/tunl0/172.25.84.100"), false, false, true},
		{critical("route/172.25.84.101"), false, true, false},
		{stray("addr/eth0/172.25.84.100"), true, true, true},
		{stray("addr/dummy0/172.25.84.100/24"), true, true, true},
		{critical("addr/tunl0/10.9.9.9"), true, true, true}, // of an older config
		{critical("novelty"), false, false, false},
		{unknown("kernel"), false, false, false},
		{unknown("sysctl/net.ipv4.conf.tunl0.rp_filter"), false, false, false},
		{unknown("sysctl/net.ipv4.conf.eth0.arp_ignore"), true, true, true},
		{unknown("senders"), true, true, true},
		{unknown("route/172.25.84.101"), false, true, false},
	} {
		v := Evaluate(input(inOrder(c.f)))
		if v.Ready != c.host || v.VIPs[0].Ready != c.a || v.VIPs[1].Ready != c.b {
			t.Errorf("%s %s: host %v, VIPs %v %v; want %v, %v %v", c.f.ID(), c.f.Severity,
				v.Ready, v.VIPs[0].Ready, v.VIPs[1].Ready, c.host, c.a, c.b)
		}
		if !v.Ready && len(v.Reasons) == 0 {
			t.Errorf("%s: not ready without a reason", c.f.ID())
		}
	}
}

func TestHoldsAndResults(t *testing.T) {
	t.Parallel()
	web := Service{VIP: vipA, Port: 80}
	now := time.Now()
	for name, c := range map[string]struct {
		change func(*Input)
		ready  bool
		code   string
	}{
		"in order":            {func(*Input) {}, true, ""},
		"no report":           {func(in *Input) { in.Seen = time.Time{} }, false, CodeUnverified},
		"empty report":        {func(in *Input) { in.Report = agent.Report{} }, false, CodeUnverified},
		"stale":               {func(in *Input) { in.Seen = now.Add(-4 * time.Second) }, false, CodeStale},
		"nearly stale":        {func(in *Input) { in.Seen = now.Add(-2 * time.Second) }, true, ""},
		"draining":            {func(in *Input) { in.Drain.Draining = true }, false, CodeDraining},
		"stopping":            {func(in *Input) { in.Stopping = true }, false, CodeStopping},
		"no VIP":              {func(in *Input) { in.VIPs = nil }, false, CodeNoVIP},
		"service up":          {func(in *Input) { in.Services = []ServiceResult{{Service: web, Up: true, Time: now}} }, true, ""},
		"service down":        {func(in *Input) { in.Services = []ServiceResult{{Service: web, Time: now}} }, false, CodeService},
		"service unchecked":   {func(in *Input) { in.Services = []ServiceResult{{Service: web}} }, false, CodeUnchecked},
		"unproven":            {func(in *Input) { in.Probing = true }, false, CodeUnproven},
		"probe failed":        {func(in *Input) { in.Probing, in.Probes = true, outcomes(Failed, Passed) }, false, CodeProbe},
		"probe passed":        {func(in *Input) { in.Probing, in.Probes = true, outcomes(Passed, Passed) }, true, ""},
		"probe cannot tell":   {func(in *Input) { in.Probing, in.Probes = true, outcomes(CouldNotTell, CouldNotTell) }, true, ""},
		"old result, probing": {func(in *Input) { in.Probes = outcomes(Failed, Failed) }, true, ""},
	} {
		in := input(inOrder())
		in.Now = now
		c.change(&in)
		v := Evaluate(in)
		has := slices.ContainsFunc(v.Reasons, func(r Reason) bool { return r.Code == c.code })
		if v.Ready != c.ready || c.code != "" && !has {
			t.Errorf("%s: ready %v with %v, want %v with %q", name, v.Ready, v.Reasons, c.ready, c.code)
		}
	}
}

func outcomes(a, b Outcome) map[netip.Addr]ProbeResult {
	return map[netip.Addr]ProbeResult{vipA: {Outcome: a}, vipB: {Outcome: b}}
}

func TestReasonsAreBounded(t *testing.T) {
	t.Parallel()
	in := input(agent.Report{})
	in.VIPs = nil
	for i := range 1000 {
		vip := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		in.VIPs = append(in.VIPs, vip)
		in.Report.After = append(in.Report.After, critical("addr/tunl0/"+vip.String()))
	}
	v := Evaluate(in)
	if len(v.Reasons) != maxReasons+1 || v.Reasons[maxReasons].Text != "and 968 more; each VIP has its own." {
		t.Errorf("%d reasons, last %v", len(v.Reasons), v.Reasons[len(v.Reasons)-1])
	}
}

package health

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"testing/quick"
	"time"

	"rsagent/agent"
)

func input(r agent.Report) Input {
	now := time.Now()
	return Input{
		Policy: Policy{time.Second, 2, 1}, VIPs: []netip.Addr{vipA, vipB}, Now: now, Seen: now, Report: r,
	}
}

func unknown(id string) agent.Finding {
	return agent.Finding{ID: id, Severity: agent.Unknown, Want: "readable", Got: "could not tell"}
}

func stray(id string) agent.Finding {
	return agent.Finding{ID: id, Severity: agent.Critical, Want: "absent", Got: "present as 172.25.84.100/32"}
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
		{critical("novelty/172.25.84.100"), false, false, true},
		{unknown("kernel"), false, false, false},
		{unknown("sysctl/net.ipv4.conf.tunl0.rp_filter"), false, false, false},
		{unknown("sysctl/net.ipv4.conf.eth0.arp_ignore"), true, true, true},
		{unknown("senders"), true, true, true},
		{unknown("route/172.25.84.101"), false, true, false},
	} {
		v := Evaluate(input(inOrder(c.f)))
		if v.Ready != c.host || v.VIPs[0].Ready != c.a || v.VIPs[1].Ready != c.b {
			t.Errorf("%s %s: host %v, VIPs %v %v; want %v, %v %v", c.f.ID, c.f.Severity,
				v.Ready, v.VIPs[0].Ready, v.VIPs[1].Ready, c.host, c.a, c.b)
		}
		if !v.Ready && len(v.Reasons) == 0 {
			t.Errorf("%s: not ready without a reason", c.f.ID)
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

// walk plays evaluations a second apart on one VIP: g good, b bad, u could not
// tell, s a second without any; it returns R for ready and . for not.
func walk(p Policy, script string) string {
	var h map[netip.Addr]History
	var out []byte
	now := time.Now()
	var last Verdict
	for _, c := range script {
		now = now.Add(p.Interval)
		in := Input{Policy: p, VIPs: []netip.Addr{vipA}, Now: now, Seen: now, History: h, Report: report(seen(vipA))}
		switch c {
		case 'b':
			in.Report = report(seen(vipA), critical("link/tunl0/up"))
		case 'u':
			in.Report = report(unknown("kernel"))
		}
		if c != 's' {
			last = Evaluate(in)
			h = map[netip.Addr]History{vipA: last.VIPs[0].History}
		}
		mark := byte('.')
		if last.ReadyAt(now) {
			mark = 'R'
		}
		if last.At(now).Ready != last.ReadyAt(now) {
			mark = '!'
		}
		out = append(out, mark)
	}
	return string(out)
}

func TestHysteresis(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rise, fall   int
		script, want string
	}{
		{2, 1, "ggbggg", "RR..RR"},
		{2, 1, "bggg", "..RR"},
		{2, 1, "bgbgbgg", "......R"},
		{1, 1, "gbgbg", "R.R.R"},
		{3, 2, "gbgbbggg", "RRRR...R"},
		{2, 1, "guuug", "RRRR."},   // the gap counts as a fall,
		{2, 1, "guuugg", "RRRR.R"}, // and rise applies
		{2, 1, "guuuug", "RRRR.."},
		{2, 1, "uug", "..R"},
		{2, 1, "gssssgg", "RRRR..R"},
		{2, 1, "gbug", "R..."},
		{2, 1, "gbugg", "R...R"},
	} {
		if got := walk(Policy{time.Second, c.rise, c.fall}, c.script); got != c.want {
			t.Errorf("rise %d fall %d %s: %s, want %s", c.rise, c.fall, c.script, got, c.want)
		}
	}
}

// A burst of hints makes many passes in no time; they count as one.
func TestBurstCountsOnce(t *testing.T) {
	t.Parallel()
	p := Policy{time.Second, 3, 3}
	now := time.Now()
	h := History{}.next(good, now, now, p)
	for range 50 {
		h = h.next(bad, now, now, p)
	}
	if !h.Ready {
		t.Error("a burst of bad evaluations counted as three intervals")
	}
}

// anyFinding makes findings of all families.
func anyFinding(r *rand.Rand, s agent.Severity) agent.Finding {
	ids := []string{
		"module/ipip", "link/tunl0", "link/tunl0/up", "shadow/x", "kernel", "gateway", "senders", "source/172.25.84.100",
		"mss/172.25.84.100", "persist/k", "route/172.25.84.100", "addr/tunl0/172.25.84.101", "addr/eth0/172.25.84.100",
		"sysctl/net.ipv4.conf.all.rp_filter", "sysctl/net.ipv4.conf.eth0.arp_ignore", "", "/", "addr/", "addr//", "route/",
	}
	wants := []string{"present", "absent", "0", "label tunl0:rs"}
	return agent.Finding{ID: ids[r.IntN(len(ids))], Severity: s, Want: wants[r.IntN(len(wants))]}
}

func property(t *testing.T, f func(seed uint64) bool) {
	t.Helper()
	if err := quick.Check(f, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
}

func TestWarningsNeverTakeOut(t *testing.T) {
	t.Parallel()
	property(t, func(seed uint64) bool {
		r := rand.New(rand.NewPCG(seed, 1))
		in := input(inOrder())
		for range r.IntN(20) {
			in.Report.After = append(in.Report.After, anyFinding(r, []agent.Severity{agent.OK, agent.Warning}[r.IntN(2)]))
		}
		return Evaluate(in).Ready
	})
}

func TestLeaksNeverTakeOut(t *testing.T) {
	t.Parallel()
	property(t, func(seed uint64) bool {
		r := rand.New(rand.NewPCG(seed, 2))
		in := input(inOrder())
		for range r.IntN(20) {
			f := stray(fmt.Sprintf("addr/eth%d/%s", r.IntN(9), vipA))
			if r.IntN(2) == 0 {
				f = critical(fmt.Sprintf("sysctl/net.ipv4.conf.eth%d.arp_ignore", r.IntN(9)))
			}
			in.Report.After = append(in.Report.After, f)
		}
		return Evaluate(in).Ready
	})
}

func TestStaleIsNeverReady(t *testing.T) {
	t.Parallel()
	property(t, func(seed uint64) bool {
		r := rand.New(rand.NewPCG(seed, 3))
		in := input(inOrder())
		in.Interval = time.Duration(1 + r.Int64N(int64(time.Hour)))
		in.Rise, in.Fall = r.IntN(100), r.IntN(100)
		v := Evaluate(in)
		later := in.Now.Add(in.Limit() + 1 + time.Duration(r.Int64N(int64(time.Hour))))
		at := v.At(later)
		any := slices.ContainsFunc(at.VIPs, func(one VIPVerdict) bool { return one.Ready || one.ReadyAt(later) })
		return v.Ready && v.ReadyAt(in.Now) && !v.ReadyAt(later) && !at.Ready && !any
	})
}

// random gives an input that need not make sense.
func random(r *rand.Rand) Input {
	in := input(agent.Report{})
	in.Rise, in.Fall = r.IntN(4), r.IntN(4)
	in.Drain.Draining, in.Stopping, in.Probing = r.IntN(5) == 0, r.IntN(5) == 0, r.IntN(2) == 0
	in.VIPs = in.VIPs[:r.IntN(3)]
	in.Seen = in.Now.Add(-time.Duration(r.IntN(5)) * time.Second)
	in.History = map[netip.Addr]History{}
	for _, vip := range []netip.Addr{vipA, vipB} {
		if r.IntN(2) == 0 {
			in.Report.After = append(in.Report.After, seen(vip))
		}
		if r.IntN(2) == 0 {
			in.History[vip] = History{
				Ready: r.IntN(2) == 0, Known: r.IntN(2) == 0, Streak: r.IntN(9) - 4,
				Verified: in.Now.Add(-time.Duration(r.IntN(6)) * time.Second), Grace: in.Now.Add(time.Duration(r.IntN(3)-1) * time.Second),
			}
		}
	}
	for range r.IntN(4) {
		in.Report.After = append(in.Report.After, anyFinding(r, agent.Severity(r.IntN(4))))
	}
	in.Probes = outcomes(Outcome(r.IntN(3)), Outcome(r.IntN(3)))
	return in
}

func TestVerdictLaws(t *testing.T) {
	t.Parallel()
	property(t, func(seed uint64) bool {
		in := random(rand.New(rand.NewPCG(seed, 4)))
		v := Evaluate(in)
		usable := 0
		for _, one := range v.VIPs {
			if one.Ready {
				usable++
			} else if len(one.Reasons) == 0 {
				return false // a no without a reason
			}
			if one.Ready && (in.Drain.Draining || in.Stopping || one.Fresh.Before(in.Now)) {
				return false
			}
			if !one.Ready && v.Ready && !(one.History.Grace.After(in.Now) && !one.History.Known) {
				return false // the host counts every VIP that does not join
			}
		}
		return v.ReadyAt(in.Now) == v.Ready && (!v.Ready || usable > 0) && (v.Ready || len(v.Reasons) > 0)
	})
}

// More findings never help.
func TestVerdictIsMonotonic(t *testing.T) {
	t.Parallel()
	property(t, func(seed uint64) bool {
		r := rand.New(rand.NewPCG(seed, 5))
		in := random(r)
		before := Evaluate(in)
		f := anyFinding(r, agent.Severity(r.IntN(4)))
		if _, speaks := speaksOf(f); speaks {
			return true // a VIP is known by being spoken of
		}
		in.Report.After = append(slices.Clone(in.Report.After), f)
		after := Evaluate(in)
		for i := range after.VIPs {
			if after.VIPs[i].Ready && !before.VIPs[i].Ready {
				// Could not tell in place of bad would, and bad wins.
				return false
			}
		}
		return true
	})
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

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
	"rsagent/agent/agenttest"
)

// anyFinding makes findings of all families.
func anyFinding(r *rand.Rand, s agent.Severity) agent.Finding {
	ids := []string{
		"module/ipip", "link/tunl0", "link/tunl0/up", "shadow/x", "kernel", "gateway", "senders", "source/172.25.84.100",
		"mss/172.25.84.100", "persist/k", "route/172.25.84.100", "addr/tunl0/172.25.84.101", "addr/eth0/172.25.84.100",
		"sysctl/net.ipv4.conf.all.rp_filter", "sysctl/net.ipv4.conf.eth0.arp_ignore", "", "/", "addr/", "addr//", "route/",
	}
	wants := []string{"present", "absent", "0", "label tunl0:rs"}
	return agent.Finding{Subject: agenttest.Subject(ids[r.IntN(len(ids))]), Severity: s, Want: wants[r.IntN(len(wants))]}
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
		if f.Kind == agent.KindVIP && f.Severity != agent.Unknown {
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

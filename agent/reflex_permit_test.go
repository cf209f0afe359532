package agent_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// Nothing is done at once that is only to be reported, or no longer wanted, or
// after the end.
func TestReflexOnlyWherePermitted(t *testing.T) {
	observing, reporting := configs()["plain"], configs()["plain"]
	observing.ObserveOnly = true
	reporting.Policy.ReportAddresses = true
	elsewhere := configs()["plain"]
	elsewhere.VIPs = []netip.Addr{netip.MustParseAddr("172.25.84.101")}
	for name, then := range map[string]agent.Desired{"observing": observing, "reporting": reporting, "another VIP": elsewhere} {
		synctest.Test(t, func(t *testing.T) {
			r := startLoop(t, time.Hour, configs()["plain"], nil)
			r.fake.Quick()
			synctest.Wait()
			r.reload <- agent.Order{Want: configs()["plain"], Interval: time.Hour} // which makes it stand
			synctest.Wait()
			if _ = r.fake.Run(deletion); len(r.fake.Applied()) == 0 {
				t.Fatal("not repaired at once")
			}
			r.reload <- agent.Order{Want: then, Interval: time.Hour}
			synctest.Wait()
			before := len(r.fake.Applied())
			_ = r.fake.Run(deletion)
			synctest.Wait()
			if n := len(r.fake.Applied()); n != before {
				t.Errorf("%s: %v", name, r.fake.Applied()[before:])
			}
			r.stop()
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Second, configs()["plain"], nil)
		r.fake.Quick()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.stop()
		before := len(r.fake.Applied())
		_ = r.fake.Run(deletion)
		if len(r.fake.Applied()) != before {
			t.Error("repaired after the end")
		}
	})
}

// lured is a kernel with which somebody tampers just before a focused reading,
// with what that is not about, and just after a repair was permitted.
type lured struct {
	*agenttest.Fake
	before, after func()
}

func (l *lured) Observe(ctx context.Context, want agent.Desired) (agent.Observed, error) {
	if want.Focused {
		l.before()
	}
	return l.Fake.Observe(ctx, want)
}

func (l *lured) Stand(s *agent.Standing, edition int) {
	l.Fake.Stand(s, edition)
	if s != nil {
		l.after()
	}
}

// No repair is permitted while something was announced that no pass has judged.
func TestReflexWaitsForWhatIsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nothing := func() {}
		l := &lured{before: nothing, after: nothing}
		r := startLoopWith(t, time.Hour, configs()["three loose"], func(loop *agent.Loop) {
			l.Fake = loop.Kernel.(*agenttest.Fake)
			loop.Kernel = l
		})
		synctest.Wait()
		l.Quick()
		l.before = func() {
			l.before = nothing
			_ = l.Run("ip addr add 172.25.84.101/32 dev eth0")
		}
		l.after = func() {
			l.after = nothing
			applied := len(l.Applied())
			_ = l.Run("ip addr del 172.25.84.101/32 dev tunl0")
			if n := len(l.Applied()); n > applied && strings.Contains(l.Dump(), "172.25.84.101/32 eth0") {
				t.Error("put back at once, although it is on a NIC")
			}
		}
		_ = l.Run(deletion)
		synctest.Wait()
		r.stop()
	})
}

// A focused pass, which verifies a repair, permits the next one; each repair is
// told once.
func TestReflexAgainAndToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Hour, configs()["plain"], nil)
		r.fake.Quick()
		synctest.Wait()
		r.reload <- agent.Order{Want: configs()["plain"], Interval: time.Hour}
		synctest.Wait()
		before, passes := len(r.fake.Applied()), r.count()
		for n := range 5 {
			_ = r.fake.Run(deletion)
			if !strings.Contains(r.fake.Dump(), vipThere) {
				t.Errorf("%d: not put back at once", n)
			}
			synctest.Wait()
			time.Sleep(time.Second)
			synctest.Wait()
		}
		told := 0
		for _, report := range r.all()[passes:] {
			told += len(report.Done)
		}
		if n := len(r.fake.Applied()) - before; n != 5 || told != 5 {
			t.Errorf("%d repairs, of which is told %d times, want 5 and 5", n, told)
		}
		r.stop()
	})
}

// Only the loss of what a pass would put back as it was is answered.
func TestReflexKnowsItsVIPs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *permitting
		r := startLoopWith(t, time.Second, configs()["three loose"], func(l *agent.Loop) {
			p = &permitting{Fake: l.Kernel.(*agenttest.Fake)}
			l.Kernel = p
		})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		s := p.permitted()
		tunnel, _ := observe(t, p, configs()["three loose"]).Tunnel()
		good := agent.Addr{Index: tunnel.Index, Prefix: netip.MustParsePrefix("172.25.84.100/32"), Label: "tunl0:rs"}
		for name, change := range map[string]func(*agent.Addr){
			"":               func(*agent.Addr) {},
			"another device": func(a *agent.Addr) { a.Index++ },
			"another prefix": func(a *agent.Addr) { a.Prefix = netip.MustParsePrefix("172.25.84.100/24") },
			"another label":  func(a *agent.Addr) { a.Label = "tunl0:web" },
			"no VIP":         func(a *agent.Addr) { a.Prefix = netip.MustParsePrefix("10.1.1.1/32") },
			"with a peer":    func(a *agent.Addr) { a.Special = true },
		} {
			a := good
			change(&a)
			if _, ok := s.Gone(a); ok != (name == "") {
				t.Errorf("%q: answered %v", name, ok)
			}
		}
		r.stop()
	})
}

// No repair is permitted while anything is left to wish for, or contended.
func TestReflexOnlyInPerfectOrder(t *testing.T) {
	reporting := configs()["plain"]
	reporting.Policy.ReportAddresses = true
	label := "ip addr del 172.25.84.100/32 dev tunl0; ip addr add 172.25.84.100/32 dev tunl0 label tunl0:web"
	for name, row := range map[string]struct {
		then agent.Desired
		do   func(*runner)
	}{
		"reported only": {reporting, func(r *runner) { _ = r.fake.Run(label) }},
		"contended, and never resting": {configs()["plain"], func(r *runner) {
			for range 12 {
				_ = r.fake.Run(deletion)
				time.Sleep(5 * time.Second)
				synctest.Wait()
			}
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := startLoop(t, time.Second, configs()["plain"], nil)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			r.reload <- agent.Order{Want: row.then, Interval: time.Second}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			row.do(r)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			r.fake.Quick()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			before := len(r.fake.Applied())
			_ = r.fake.Run("sysctl -w net.ipv4.conf.all.rp_filter=1")
			if n := len(r.fake.Applied()); n != before {
				t.Errorf("%s: %v", name, r.fake.Applied()[before:])
			}
			synctest.Wait()
			if n := len(r.fake.Applied()); n == before {
				t.Errorf("%s: never repaired", name)
			}
			r.stop()
		})
	}
}

// What has to be recorded first is left to a pass.
func TestReflexOnlyOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := configs()["plain"]
		want.Policy.ReportSysctl = true // else the first pass writes, and so records
		var store *agenttest.MemStore
		r := startLoopWith(t, time.Second, want, func(l *agent.Loop) {
			pass(t, l.Kernel, &agenttest.MemStore{}, configs()["plain"]) // of an agent whose record is lost
			store = l.Store.(*agenttest.MemStore)
		})
		r.fake.Quick()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		before := len(r.fake.Applied())
		_ = r.fake.Run(deletion)
		if n := len(r.fake.Applied()); n != before || store.Saves() != 0 {
			t.Errorf("before a pass: %v, and saved %d times", r.fake.Applied()[before:], store.Saves())
		}
		synctest.Wait()
		if store.Saves() == 0 || !strings.Contains(r.fake.Dump(), vipThere) {
			t.Errorf("saved %d times:\n%s", store.Saves(), r.fake.Dump())
		}
		r.stop()
	})
}

package agent_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// runner runs a loop in a bubble and counts its passes.
type runner struct {
	fake   *agenttest.Fake
	reload chan agent.Order
	cancel context.CancelFunc
	ended  chan struct{}
	mu     sync.Mutex
	passes []agent.Report
	during func(pass int) // called at the end of each pass
}

func startLoop(t *testing.T, interval time.Duration, want agent.Desired, during func(r *runner, pass int)) *runner {
	t.Helper()
	return startWith(t, interval, want, during, func(*agent.Loop) {})
}

func startLoopWith(t *testing.T, interval time.Duration, want agent.Desired, change func(*agent.Loop)) *runner {
	t.Helper()
	return startWith(t, interval, want, nil, change)
}

func startWith(t *testing.T, interval time.Duration, want agent.Desired, during func(r *runner, pass int), change func(*agent.Loop)) *runner {
	t.Helper()
	r := &runner{fake: host(t), reload: make(chan agent.Order), ended: make(chan struct{})}
	if during != nil {
		r.during = func(pass int) { during(r, pass) }
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	loop := agent.Loop{Kernel: r.fake, Store: &agenttest.MemStore{}, Report: func(report agent.Report, err error) {
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.passes = append(r.passes, report)
		n := len(r.passes)
		r.mu.Unlock()
		if r.during != nil {
			r.during(n)
		}
	}}
	change(&loop)
	go func() {
		defer close(r.ended)
		loop.Run(ctx, agent.Order{Want: want, Interval: interval}, r.reload)
	}()
	return r
}

func (r *runner) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.passes)
}

func (r *runner) all() []agent.Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.passes)
}

func (r *runner) last() agent.Report { all := r.all(); return all[len(all)-1] }

func (r *runner) contended() []string {
	var ids []string
	for _, c := range r.last().Conflicts {
		ids = append(ids, c.ID())
	}
	return ids
}

// slow makes every look take time.
func (r *runner) slow(d time.Duration) { r.fake.Slow(d) }

func (r *runner) stop() { r.cancel(); <-r.ended }

func TestLoopOneHintOnePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Hour, configs()["plain"], nil)
		synctest.Wait()
		// The first pass changes things, and so gives itself a hint.
		if n := r.count(); n != 2 || len(r.passes[1].Done) > 0 {
			t.Fatalf("%d passes at the start, want one that works and one that finds it done", n)
		}
		agenttest.Type(t, r.fake, "ip link add dum0 type dummy")
		synctest.Wait()
		if n := r.count(); n != 3 {
			t.Errorf("%d passes after a hint, want 3", n)
		}
		agenttest.Type(t, r.fake, "ip addr flush dev tunl0")
		synctest.Wait()
		if n := r.count(); n != 5 || !strings.Contains(r.fake.Dump(), "172.25.84.100/32 tunl0:rs") {
			t.Errorf("%d passes, want 5, and the VIP back:\n%s", n, r.fake.Dump())
		}
		r.stop()
	})
}

func TestLoopManyHintsOnePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Hour, configs()["plain"], func(r *runner, pass int) {
			if pass == 2 { // the loop is busy with its report
				for range 5 {
					agenttest.Type(t, r.fake, "ip link add dum0 type dummy; ip link del dev dum0")
				}
			}
		})
		synctest.Wait()
		if n := r.count(); n != 3 {
			t.Errorf("%d passes, want 3: hints during a pass cost one more", n)
		}
		r.stop()
	})
}

// What the kernel does not announce is found within an interval.
func TestLoopInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Second, configs()["plain"], nil)
		synctest.Wait()
		before := r.count()
		agenttest.Type(t, r.fake, "sysctl -w net.ipv4.conf.all.arp_ignore=0")
		synctest.Wait()
		if n := r.count(); n != before {
			t.Fatalf("%d passes for what is not announced", n-before)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := r.count(); n != before+1 || !strings.Contains(r.fake.Dump(), "net.ipv4.conf.all.arp_ignore = 1") {
			t.Errorf("%d passes after an interval, want 1, and arp_ignore back", n-before)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := r.count(); n != before+11 {
			t.Errorf("%d passes after eleven intervals", n-before)
		}
		r.stop()
	})
}

func TestLoopReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Hour, configs()["three loose"], nil)
		synctest.Wait()
		r.reload <- agent.Order{Want: configs()["plain"], Interval: time.Hour}
		synctest.Wait()
		if dump := r.fake.Dump(); !strings.Contains(dump, "172.25.84.100/32 tunl0:rs") || strings.Contains(dump, "172.25.84.101") {
			t.Errorf("after a reload:\n%s", dump)
		}
		r.stop()
	})
}

// Stopping leaves the VIPs, and says nothing more: a reading that failed only
// because we are leaving is no news.
func TestLoopEnds(t *testing.T) {
	for range 20 { // the end and a hint come at once, in either order
		synctest.Test(t, func(t *testing.T) {
			r := startLoop(t, time.Second, configs()["plain"], func(r *runner, pass int) {
				if pass == 3 {
					r.cancel()
					rest()
					agenttest.Type(t, r.fake, "ip link set dev lo down")
				}
			})
			<-r.ended
			if n := r.count(); n != 3 {
				t.Errorf("%d passes, want none after the third", n)
			}
			if !strings.Contains(r.fake.Dump(), "172.25.84.100/32 tunl0:rs") {
				t.Errorf("the VIP is gone:\n%s", r.fake.Dump())
			}
		})
	}
}

// A pass that only observes says no less when it is made while we are leaving.
func TestLeavingIsNoDrift(t *testing.T) {
	want := configs()["plain"]
	want.ObserveOnly = true
	fake := host(t)
	staying, err := agent.Pass(t.Context(), fake, &agenttest.MemStore{}, want)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	leaving, err := agent.Pass(ctx, fake, &agenttest.MemStore{}, want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(drift(staying.After), drift(leaving.After)); diff != "" {
		t.Errorf("findings (-staying +leaving):\n%s", diff)
	}
}

// rest lets the other goroutines of the bubble come to rest.
func rest() { time.Sleep(time.Minute) }

func TestLoopLeavesNothingRunning(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r := startLoop(t, time.Hour, configs()["plain"], nil)
	for r.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	r.stop()
}

// Without VIPs nothing is changed, whatever is announced.
func TestLoopWithoutVIPs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Hour, agent.Desired{}.Normal(), nil)
		synctest.Wait()
		for _, line := range []string{
			"sysctl -w net.ipv4.conf.all.rp_filter=1", "modprobe ipip", "sysctl -w net.ipv4.conf.tunl0.rp_filter=1",
			"ip link set dev tunl0 up", "ip link set dev tunl0 down", "sysctl -w net.ipv4.conf.all.rp_filter=2",
		} {
			agentType(t, r, line)
		}
		if applied := r.fake.Applied(); len(applied) > 0 {
			t.Errorf("applied %v", applied)
		}
		r.stop()
	})
}

// A reload is taken although every pass has something to repair.
func TestLoopReloadDuringRepairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		observe := configs()["plain"]
		observe.ObserveOnly = true
		r := startLoop(t, time.Hour, configs()["plain"], func(r *runner, pass int) {
			if pass == 3 {
				go func() { r.reload <- agent.Order{Want: observe, Interval: time.Hour} }()
			}
			if pass < 500 {
				time.Sleep(time.Second) // long enough that no repair is in back-off
				_ = r.fake.Run(deletion)
			}
		})
		time.Sleep(10 * time.Minute)
		if n := len(r.fake.Applied()); n > 40 {
			t.Errorf("%d repairs, although mode: observe was sent during the third pass", n)
		}
		r.stop()
	})
}

package agent_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/sysctl"
)

// permitting is a kernel that keeps what it is permitted.
type permitting struct {
	*agenttest.Fake
	mu  sync.Mutex
	now *agent.Standing
}

func (p *permitting) Stand(s *agent.Standing, edition int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = s
	p.Fake.Stand(s, edition)
}

func (p *permitting) permitted() *agent.Standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// supposed is a kernel with a difference.
type supposed struct {
	agent.Kernel
	change func(*agent.Observed)
}

func (s supposed) Observe(ctx context.Context, want agent.Desired) (agent.Observed, error) {
	got, err := s.Kernel.Observe(ctx, want)
	s.change(&got)
	return got, err
}

// What may be done at once is what a pass would do, and all that it would do.
func TestReflexIsWhatAPassWouldDo(t *testing.T) {
	addresses, settings := 0, 0
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			w := newWalker(t, 1000+seed)
			p := &permitting{Fake: w.fake}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			reload := make(chan agent.Order)
			loop := agent.Loop{Kernel: p, Store: w.store, Report: func(agent.Report, error) {}}
			go loop.Run(ctx, agent.Order{Want: w.want, Interval: time.Second}, reload)
			for range 20 {
				if w.Rand.IntN(6) == 0 {
					w.ask()
					reload <- agent.Order{Want: w.want, Interval: time.Second}
				}
				w.tamper()
				time.Sleep(20 * time.Second) // what was fought over is over
				synctest.Wait()
				if s := p.permitted(); s != nil {
					addresses += w.holdsAddresses(s)
					settings += w.holdsSettings(s)
				}
				if t.Failed() {
					t.Fatalf("seed %d: %+v", seed, w.log)
				}
			}
		})
	}
	if addresses < 500 || settings < 500 {
		t.Errorf("%d addresses and %d settings could be repaired at once: too few to tell", addresses, settings)
	}
}

// planned is what a pass would do if things were otherwise.
func (w *walker) planned(change func(*agent.Observed)) string {
	r, _ := agent.Look(w.Context(), supposed{w.fake, change}, w.store, w.want)
	return agent.Script(agent.Actions(r.Plan))
}

func (w *walker) holdsAddresses(s *agent.Standing) (answered int) {
	for _, a := range observe(w, w.fake, w.want).Addrs {
		fix, ok := s.Gone(a)
		plan := w.planned(func(got *agent.Observed) {
			var others []agent.Addr
			for _, b := range got.Addrs {
				if a != b {
					others = append(others, b)
				}
			}
			got.Addrs = others
		})
		w.answers(plan, fix, ok)
		answered += map[bool]int{true: 1}[ok]
	}
	return answered
}

func (w *walker) holdsSettings(s *agent.Standing) (answered int) {
	got := observe(w, w.fake, w.want)
	for key, is := range got.Sysctls {
		for value := range 3 {
			if value == is || key.Name != sysctl.RPFilter {
				continue
			}
			fix, ok := s.Written(key, value)
			plan := w.planned(func(got *agent.Observed) { got.Sysctls[key] = value })
			w.answers(plan, fix, ok)
			answered += map[bool]int{true: 1}[ok]
		}
	}
	return answered
}

func (w *walker) answers(plan string, fix agent.Action, ok bool) {
	if ok && plan != agent.Script([]agent.Action{fix}) {
		w.Errorf("a pass would do %q, and at once is done %q", plan, fix)
	}
}

// Whether it was repaired at once or by a pass, the same is told about it, and
// the same is left.
func TestReflexIsToldLikeAPass(t *testing.T) {
	for _, config := range []string{"plain", "three loose"} {
		for seed := range uint64(15) {
			synctest.Test(t, func(t *testing.T) {
				told := map[bool][]string{}
				for _, quick := range []bool{false, true} {
					told[quick] = account(t, configs()[config], seed, quick)
				}
				if diff := cmp.Diff(told[false], told[true]); diff != "" {
					t.Errorf("%s, seed %d (-by passes +at once):\n%s", config, seed, diff)
				}
			})
		}
	}
}

// undoings are tamperings that happen once: a flush goes on as long as there is
// an address, and so may find one that is back.
var undoings = []string{
	deletion, deletion, "ip addr del 172.25.84.101/32 dev tunl0",
	"sysctl -w net.ipv4.conf.all.rp_filter=1", "sysctl -w net.ipv4.conf.all.rp_filter=2", "sysctl -w net.ipv4.conf.tunl0.rp_filter=1",
	"sysctl -w net.ipv4.conf.all.arp_ignore=0", "sysctl -w net.ipv4.conf.default.rp_filter=1",
	"ip link set dev tunl0 down", "ip link add dum0 type dummy", "ip link del dev dum0",
	"ip addr add 172.25.84.100/32 dev eth0", "ip addr del 172.25.84.100/32 dev eth0", deletion + "; sysctl -w net.ipv4.conf.all.rp_filter=1",
	"sysctl -w net.ipv4.conf.all.arp_ignore=0; " + deletion, "ip addr add 172.25.84.100/24 dev tunl0",
}

// account tells what was found, done and left in a quarter of an hour of
// tamperings, too slow for a fight.
func account(t *testing.T, want agent.Desired, seed uint64, quick bool) []string {
	t.Helper()
	r := startLoop(t, time.Second, want, nil)
	if quick {
		r.fake.Quick()
	}
	time.Sleep(2 * time.Second)
	synctest.Wait()
	random := rand.New(rand.NewPCG(seed, 7))
	for range 60 {
		_ = r.fake.Run(undoings[random.IntN(len(undoings))])
		time.Sleep(15 * time.Second)
		synctest.Wait()
	}
	synctest.Wait()
	r.stop()
	var lines []string
	for _, report := range r.all() {
		if len(report.Done) > 0 {
			lines = append(lines, fixable(report.Before)...)
			for _, a := range actions(report.Done) {
				lines = append(lines, a.String())
			}
			lines = append(lines, fixable(report.After)...)
		}
	}
	slices.Sort(lines) // of a flush this or that comes back first
	return append(lines, r.fake.Dump())
}

// fixable leaves out what is not ours to change, which only some passes look at.
func fixable(findings []agent.Finding) []string {
	return drift(slices.DeleteFunc(slices.Clone(findings), func(f agent.Finding) bool { return f.Fix == nil }))
}

// One that is undone again and again is contended, however fast it is repaired.
func TestReflexInAFight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Second, configs()["plain"], nil)
		r.fake.Quick()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for range 500 {
			_ = r.fake.Run("sysctl -w net.ipv4.conf.all.rp_filter=1")
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
		}
		synctest.Wait()
		if got := r.contended(); len(got) != 1 || got[0] != "sysctl/net.ipv4.conf.all.rp_filter" {
			t.Errorf("contended: %v", got)
		}
		if n := len(r.fake.Applied()); n > 60 {
			t.Errorf("%d repairs, although it has to rest", n)
		}
		r.stop()
	})
}

package agent_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// A focused reading leads to the findings of a whole one that are about the
// same things, and to no other.
func TestFocusSaysTheSame(t *testing.T) {
	compared := 0
	for seed := uint64(1); seed <= 40; seed++ {
		w := newWalker(t, seed)
		for range 40 {
			if w.Rand.IntN(8) == 0 {
				w.ask()
			}
			w.tamper()
			if w.Rand.IntN(5) == 0 {
				w.undisturbed()
			}
			reading := w.adopted(w.want)
			tunnel, _ := reading.Tunnel()
			whole := agent.Diff(w.want, reading)
			if missing(whole) {
				continue // the loop then makes whole passes
			}
			some := w.want.VIPs[:w.Rand.IntN(len(w.want.VIPs)+1)]
			focused := w.want.Focus(some)
			want := slices.DeleteFunc(whole, func(f agent.Finding) bool { return !within(f.ID(), focused) })
			for i, f := range want {
				if del, ok := f.Fix.(agent.DelAddr); ok && del.Prefix.Bits() < 32 && del.Device == tunnel.Name {
					want[i].Fix = nil // whose neighbours only a whole reading has
				}
			}
			got := agent.Diff(focused, w.adopted(focused))
			if diff := cmp.Diff(agenttest.Essence(want), agenttest.Essence(got)); diff != "" {
				t.Fatalf("-walk.seed %d, focus %v (-whole +focused):\n%s\n%s", seed, some, diff, strings.Join(w.log, "\n"))
			}
			compared++
		}
	}
	if compared < 200 {
		t.Errorf("only %d states compared", compared)
	}
}

func (w *walker) adopted(want agent.Desired) agent.Observed {
	got := observe(w, w.fake, want)
	base, err := w.store.Load()
	if err != nil {
		w.Fatal(err)
	}
	got.Adopted = base.PinnedOn(got)
	return got
}

func missing(findings []agent.Finding) bool {
	return slices.ContainsFunc(findings, func(f agent.Finding) bool {
		return f.Severity > agent.Warning && strings.HasPrefix(f.ID(), "addr/")
	})
}

// within reports whether a finding is about what a focused want asks for.
func within(id string, want agent.Desired) bool {
	subject, rest, _ := strings.Cut(id, "/")
	switch subject {
	case "addr", "route":
		return slices.ContainsFunc(strings.Split(rest, "/"), func(part string) bool { return contains(want, part) })
	}
	return subject == "module" || subject == "link" || subject == "sysctl" || subject == "shadow"
}

func contains(want agent.Desired, addr string) bool {
	for _, v := range want.VIPs {
		if v.String() == addr {
			return true
		}
	}
	return false
}

// One event is looked at by itself: a deleted VIP is put back by a focused pass,
// and a whole one follows only in its time.
func TestLoopFocus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Hour, configs()["three loose"], nil)
		synctest.Wait()
		before := r.count()
		agentType(t, r, deletion)
		for _, p := range r.all()[before:] {
			if !p.Scope.Partial {
				t.Errorf("a whole pass: %v", p.Done)
			}
		}
		agentType(t, r, "sysctl -w net.ipv4.conf.tunl0.rp_filter=1")
		if last := r.last(); !last.Scope.Partial || !strings.Contains(r.fake.Dump(), vipThere) {
			t.Errorf("focused %v:\n%s", last.Scope.Partial, r.fake.Dump())
		}
		r.stop()
	})
}

// What a focused pass cannot mend is said by a whole one, and so is its cure.
func TestLoopFocusNotEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Hour, configs()["plain"], nil)
		synctest.Wait()
		r.fake.Fail("ip addr add 172.25.84.100/32 dev tunl0 label tunl0:rs", syscall.EPERM)
		agentType(t, r, deletion)
		if last := r.last(); last.Scope.Partial || last.State() != agent.Critical {
			t.Errorf("focused %v, %v", last.Scope.Partial, last.State())
		}
		r.fake.Fail("ip addr add 172.25.84.100/32 dev tunl0 label tunl0:rs", nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		whole := slices.DeleteFunc(r.all(), func(p agent.Report) bool { return p.Scope.Partial })
		if last := whole[len(whole)-1]; last.State() != agent.OK {
			t.Errorf("the last whole report after the cure: %v", last.State())
		}
		r.stop()
	})
}

// A focused reading leaves out the other addresses of the tunnel, and so cannot
// tell which of them would go with the one that it would remove.
func TestFocusRemovesNoNeighbours(t *testing.T) {
	f := host(t)
	agenttest.Type(t, f, "ip addr add 172.25.84.100/24 dev tunl0; ip addr add 172.25.84.77/24 dev tunl0")
	want := agent.Desired{VIPs: vips("172.25.84.100"), RemoveStrays: true}.Normal()
	pass(t, f, &agenttest.MemStore{}, want)
	before := observe(t, f, want)
	pass(t, f, &agenttest.MemStore{}, want.Focus(want.VIPs))
	checkForeign(t, want, before, observe(t, f, want))
}

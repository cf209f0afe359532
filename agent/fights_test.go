package agent_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rsagent/agent"
)

const (
	deletion = "ip addr del 172.25.84.100/32 dev tunl0"
	vipThere = "172.25.84.100/32 tunl0:rs"
)

// fight has somebody undo what the agent does, again and again, and returns
// how many passes it made.
func (r *runner) fight(t *testing.T, undo string, every, long time.Duration) int {
	before := r.count()
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(every) {
		if err := r.fake.Run(undo); err != nil && !strings.Contains(err.Error(), "cannot assign") {
			t.Fatal(err)
		}
	}
	return r.count() - before
}

// A fight costs a bounded number of passes and repairs, is called contended
// while it lasts, and ends in quiet and a right value.
func TestLoopFight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Second, configs()["plain"], nil)
		synctest.Wait()
		actions := len(r.fake.Applied())
		passes := r.fight(t, "sysctl -w net.ipv4.conf.tunl0.rp_filter=1", 10*time.Millisecond, 20*time.Second)
		if passes > 500 {
			t.Errorf("%d passes in 20 s", passes)
		}
		if n := len(r.fake.Applied()) - actions; n < 12 || n > 30 {
			t.Errorf("%d repairs in 20 s of a fight, want a dozen or two", n)
		}
		if got := r.contended(); !slices.Equal(got, []string{"sysctl/net.ipv4.conf.tunl0.rp_filter"}) {
			t.Errorf("contended: %q", got)
		}
		audit := newAudit()
		for _, report := range r.all() {
			audit.check(t, report.After)
		}
		if !audit.seen["contended/ID"][agent.Warning] {
			t.Error("no finding says that it is contended")
		}
		time.Sleep(6 * time.Second)
		if !strings.Contains(r.fake.Dump(), "net.ipv4.conf.tunl0.rp_filter = 0") {
			t.Error("not right within 6 s after the fight")
		}
		time.Sleep(30 * time.Second)
		if got := r.contended(); len(got) > 0 || r.last().State() != agent.OK {
			t.Errorf("after the fight: contended %q, %v", got, r.last().State())
		}
		r.stop()
	})
}

// One who takes his time is answered at once, every time, and named.
func TestLoopSlowFight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Hour, configs()["plain"], nil)
		synctest.Wait()
		for range 50 {
			agentType(t, r, deletion)
			if !strings.Contains(r.fake.Dump(), vipThere) {
				t.Fatal("not repaired at once")
			}
			time.Sleep(250 * time.Millisecond)
		}
		if got := r.contended(); !slices.Equal(got, []string{"addr/tunl0/172.25.84.100"}) {
			t.Errorf("contended: %q", got)
		}
		r.stop()
	})
}

// A fight over one thing never delays the repair of another, not even of one
// that is unsafe without it.
func TestLoopFightDelaysNothingElse(t *testing.T) {
	for _, undo := range []string{deletion, "sysctl -w net.ipv4.conf.tunl0.rp_filter=1", "sysctl -w net.ipv4.conf.all.rp_filter=1"} {
		synctest.Test(t, func(t *testing.T) {
			r := startLoop(t, time.Second, configs()["everything"], nil)
			synctest.Wait()
			r.fight(t, undo, 10*time.Millisecond, 5*time.Second)
			for range 5 {
				agentType(t, r, undo) // what rests is wrong
				agentType(t, r, "ip addr del 172.25.84.101/32 dev tunl0")
				if !strings.Contains(r.fake.Dump(), "172.25.84.101/32 tunl0:rs") {
					t.Errorf("%s: the other VIP has to wait", undo)
				}
				time.Sleep(time.Second)
			}
			r.stop()
		})
	}
}

// agentType types a line and lets the loop answer.
func agentType(t *testing.T, r *runner, line string) {
	t.Helper()
	if err := r.fake.Run(line); err != nil && !strings.Contains(err.Error(), "cannot assign") {
		t.Fatal(err)
	}
	synctest.Wait()
}

// Hints that lead to nothing cost a bounded share of time, and a tampering in
// their midst is still found.
func TestLoopStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Hour, configs()["plain"], nil)
		r.slow(time.Millisecond)
		synctest.Wait()
		passes := r.fight(t, "ip link add dum0 type dummy; ip link del dev dum0", 100*time.Microsecond, 10*time.Second)
		if passes < 100 || passes > 2000 {
			t.Errorf("%d passes of 1 ms in 10 s of a storm, want a tenth of the time", passes)
		}
		agentType(t, r, deletion)
		time.Sleep(100 * time.Millisecond)
		if !strings.Contains(r.fake.Dump(), vipThere) {
			t.Error("what happened in the storm is not repaired")
		}
		r.stop()
	})
}

// A look that was held up, as when the machine is stopped in the middle of it,
// does not put off the next one for ten times as long.
func TestLoopHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startLoop(t, time.Hour, configs()["plain"], nil)
		synctest.Wait()
		r.slow(time.Minute)
		agentType(t, r, "ip link add dum0 type dummy")
		time.Sleep(time.Minute)
		r.slow(0)
		agentType(t, r, deletion)
		time.Sleep(10 * time.Second)
		if !strings.Contains(r.fake.Dump(), vipThere) {
			t.Error("what happened afterwards is not repaired")
		}
		r.stop()
	})
}

// The owner is asked for once, and what he says is in the finding.
func TestLoopOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		r := startLoopWith(t, time.Hour, configs()["plain"], func(l *agent.Loop) {
			l.Owner = func(agent.Desired, agent.Conflict) []string { asked++; return []string{"It is Calico: set X."} }
		})
		synctest.Wait()
		r.fight(t, deletion, 10*time.Millisecond, 2*time.Second)
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		time.Sleep(5 * time.Second) // whole passes, since the plan is not empty
		found := ""
		for _, p := range r.all() {
			for _, f := range p.After {
				if f.ID() == "contended/addr/tunl0/172.25.84.100" {
					found = f.Why
				}
			}
		}
		if !strings.HasSuffix(found, "It is Calico: set X.") {
			t.Errorf("the finding says %q", found)
		}
		r.stop()
	})
}

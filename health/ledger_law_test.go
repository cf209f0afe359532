package health

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// A twin is a host with its ledger.
type twin struct {
	fake   *agenttest.Fake
	store  agenttest.MemStore
	ledger ledger
}

// pass makes a pass as of that second.
func (w *twin) pass(t *testing.T, want agent.Desired, second int) agent.Report {
	t.Helper()
	r, err := agent.Pass(t.Context(), w.fake, &w.store, want)
	if err != nil {
		t.Fatal(err)
	}
	r.Time, r.Took = time.Unix(int64(second), 0), time.Millisecond
	w.ledger.add(r)
	return r
}

// Whether the loop looks at everything after each change or only at what the
// change is about, the ledger is the same.
func TestFocusedReportsMakeTheSameLedger(t *testing.T) {
	t.Parallel()
	want := agent.Desired{Device: "tunl0", AnySender: true}
	for i := range 8 {
		want.VIPs = append(want.VIPs, netip.AddrFrom4([4]byte{172, 25, 84, byte(100 + i)}))
	}
	want = want.Normal()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			whole, part := &twin{fake: agenttest.NewRealServer()}, &twin{fake: agenttest.NewRealServer()}
			whole.pass(t, want, 1)
			part.pass(t, want, 1)
			for step := range 60 {
				script, about := tamper(random, want.VIPs)
				for _, w := range []*twin{whole, part} {
					if err := w.fake.Run(script); err != nil {
						t.Fatal(err)
					}
				}
				whole.pass(t, want, 2+step)
				if r := part.pass(t, want.Focus(about), 2+step); !r.Scope.Partial {
					t.Fatal("not a focused report")
				}
			}
			whole.pass(t, want, 100)
			part.pass(t, want, 100)
			if diff := cmp.Diff(whole.ledger.list(), part.ledger.list()); diff != "" {
				t.Errorf("(-whole +focused):\n%s", diff)
			}
			if diff := cmp.Diff(whole.ledger.differing, part.ledger.differing); diff != "" || whole.ledger.drifts != part.ledger.drifts {
				t.Errorf("%d drifts, focused %d; differing (-whole +focused):\n%s", whole.ledger.drifts, part.ledger.drifts, diff)
			}
			if whole.ledger.drifts < 30 {
				t.Errorf("only %d drifts", whole.ledger.drifts)
			}
		})
	}
}

// tamper returns what somebody does, and which VIPs the hint is about.
func tamper(random *rand.Rand, vips []netip.Addr) (script string, about []netip.Addr) {
	vip := vips[random.IntN(len(vips))]
	switch random.IntN(5) {
	case 0:
		return fmt.Sprintf("ip addr del %s/32 dev tunl0", vip), []netip.Addr{vip}
	case 1:
		return fmt.Sprintf("ip addr del %s/32 dev tunl0; ip addr add %s/32 dev tunl0", vip, vip), []netip.Addr{vip}
	case 2:
		return "sysctl -w net.ipv4.conf.all.arp_ignore=0", nil
	case 3:
		return "sysctl -w net.ipv4.conf.tunl0.arp_announce=0; sysctl -w net.ipv4.conf.all.arp_announce=1", nil
	}
	return "sysctl -w net.ipv4.conf.all.arp_ignore=1", nil // as it is
}

// A focused report costs the same however many VIPs there are, and however
// many of them differ.
func TestFocusedReportCostsItsSize(t *testing.T) { // not parallel: it counts allocations
	cost := func(vips int) float64 {
		var l ledger
		var many []agent.Finding
		for i := range vips {
			many = append(many, critical(fmt.Sprint("addr/tunl0/", i)))
		}
		l.add(agent.Report{Time: time.Unix(1, 0), Before: many, After: many})
		one := []agent.Finding{critical("addr/tunl0/0")}
		r := agent.Report{Time: time.Unix(2, 0), Scope: agent.Scope{Partial: true, Settings: true}, Before: one, After: one}
		return testing.AllocsPerRun(100, func() { l.add(r) })
	}
	few, many := cost(ledgerSize), cost(10_000)
	if few != many {
		t.Errorf("%v allocations with %d VIPs, %v with 10,000", few, ledgerSize, many)
	}
}

// The kind of a repair is that of what it mends.
func TestKindsAgree(t *testing.T) {
	t.Parallel()
	kinds := map[string]bool{}
	for _, kind := range driftKinds() {
		kinds[kind] = true
	}
	seen := map[string]bool{}
	check := func(findings []agent.Finding) {
		for _, f := range findings {
			if f.Fix == nil {
				continue
			}
			got := kindOfAction(f.Fix)
			seen[got] = true
			if want := kindOfID(f.ID(), kinds); got != want {
				t.Errorf("%s is mended by %s, a repair of the kind %s", f.ID(), f.Fix, got)
			}
		}
	}
	want := agent.Desired{Device: "tunl0", VIPs: []netip.Addr{vipA, vipB}}.Normal()
	w := &twin{fake: agenttest.NewRealServer()}
	r, _ := agent.Look(t.Context(), w.fake, &w.store, want)
	check(r.After)
	w.pass(t, want, 1)
	if err := w.fake.Run("ip link set dev tunl0 down; ip addr del 172.25.84.100/32 dev tunl0; sysctl -w net.ipv4.conf.all.arp_ignore=0"); err != nil {
		t.Fatal(err)
	}
	r, _ = agent.Look(t.Context(), w.fake, &w.store, want)
	check(r.After)
	for _, kind := range []string{"module", "link", "sysctl", "addr"} {
		if !seen[kind] {
			t.Errorf("no repair of the kind %s", kind)
		}
	}
	if got := kindOfID("no/such", kinds); got != otherKind {
		t.Errorf("an ID of no form is of the kind %s", got)
	}
}

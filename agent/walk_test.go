package agent_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// A walk that failed is played again with -run TestRandomWalk -walk.seed N.
var (
	walkSeed  = flag.Uint64("walk.seed", 0, "play only the random walk with this seed")
	walkSeeds = flag.Uint64("walk.seeds", 150, "how many random walks to play")
)

// Laws 5 and 6: whatever is done to the host, and whatever is asked for, a
// pass leaves nothing that it could have done, another one finds nothing to
// do, and nothing that is not ours has changed.
func TestRandomWalk(t *testing.T) {
	first, last := uint64(1), *walkSeeds
	if *walkSeed != 0 {
		first, last = *walkSeed, *walkSeed
	}
	for seed := first; seed <= last; seed++ {
		w := newWalker(t, seed)
		for range 40 {
			w.step()
			if t.Failed() {
				t.Fatalf("-walk.seed %d, config %+v:\n%s", seed, w.want, strings.Join(w.log, "\n"))
			}
		}
	}
}

type walker struct {
	testing.TB
	agenttest.Walk
	fake  *agenttest.Fake
	store *agenttest.MemStore
	want  agent.Desired
	log   []string
}

func newWalker(t testing.TB, seed uint64) *walker {
	r := rand.New(rand.NewPCG(seed, 84))
	w := &walker{TB: t, fake: host(t), store: &agenttest.MemStore{}, Walk: agenttest.Walk{
		Rand: r, VIPs: []string{"172.25.84.100", "172.25.84.101", "172.25.84.102", "10.3.3.3"},
	}}
	if seed%2 == 0 {
		w.fake.Files(hostile())
	}
	w.ask()
	return w
}

// ask makes up a config.
func (w *walker) ask() {
	some := w.VIPs[w.Rand.IntN(len(w.VIPs)):]
	w.want = agent.Desired{
		VIPs: vips(some...), RPFilter: 2 * w.Rand.IntN(2), RemoveStrays: w.Rand.IntN(2) == 0,
		AnySender: w.Rand.IntN(2) == 0, Persist: w.Rand.IntN(2) == 0, Directors: vips([]string{"172.25.84.4", "172.25.84.1"}[:w.Rand.IntN(3)]...),
		Device: []string{"", "", "", "rstun0"}[w.Rand.IntN(4)],
	}.Normal()
	w.log = append(w.log, fmt.Sprintf("# %+v", w.want))
}

// tamper does something to the host, whether it works or not.
func (w *walker) tamper() {
	if w.Rand.IntN(40) == 0 {
		why := []string{"", "blacklisted"}[w.Rand.IntN(2)]
		w.fake.Blacklist(why)
		w.log = append(w.log, "# blacklist: "+why)
		return
	}
	script := w.Step()
	if w.Rand.IntN(20) == 0 {
		script = []string{"sysctl --system", "/lib/systemd/systemd-sysctl"}[w.Rand.IntN(2)]
	}
	if err := w.fake.Run(script); err != nil {
		script += " # " + err.Error()
	}
	w.log = append(w.log, script)
}

func (w *walker) step() {
	if w.Rand.IntN(6) == 0 {
		w.ask()
	}
	for range 1 + w.Rand.IntN(4) {
		w.tamper()
	}
	if w.Rand.IntN(4) == 0 {
		w.disturbed()
	}
	w.undisturbed()
}

// disturbed makes a pass in the middle of which somebody tampers.
func (w *walker) disturbed() {
	n := w.Rand.IntN(8)
	w.fake.Hook(nil, func(agent.Action, error) {
		if n--; n == 0 {
			w.log = append(w.log, "# in the middle of the pass:")
			w.tamper()
		}
	})
	defer w.fake.Hook(nil, nil)
	if _, err := agent.Pass(w.Context(), w.fake, w.store, w.want); err != nil {
		w.Error(err)
	}
	w.log = append(w.log, "# pass")
}

func (w *walker) undisturbed() {
	before := observe(w, w.fake, w.want)
	w.fake.Hook(nil, w.safe)
	r, err := agent.Pass(w.Context(), w.fake, w.store, w.want)
	w.fake.Hook(nil, nil)
	if err != nil {
		w.Error(err)
	}
	w.log = append(w.log, "# pass: "+strings.ReplaceAll(agent.Script(actions(r.Done)), "\n", "; "))
	after := observe(w, w.fake, w.want)
	checkForeign(w, w.want, before, after)
	w.converged(r, after)
	again, err := agent.Pass(w.Context(), w.fake, w.store, w.want)
	if err != nil || len(again.Done) > 0 && r.Converged() {
		w.Errorf("a second pass did %v, error %v", again.Done, err)
	}
}

func actions(steps []agent.Step) []agent.Action {
	var out []agent.Action
	for _, s := range steps {
		out = append(out, s.Action)
	}
	return out
}

// safe checks, whenever a VIP has appeared, that no NIC answers for it.
func (w *walker) safe(a agent.Action, err error) {
	if _, ok := a.(agent.AddAddr); !ok || err != nil {
		return
	}
	if leak := leaks(observe(w, w.fake, w.want)); leak != "" {
		w.Errorf("%s, while the VIP leaks: %s", a, leak)
	}
}

// converged checks that nothing is left to do but what is said to be
// impossible, and that every VIP is in place or has a reason not to be.
func (w *walker) converged(r agent.Report, got agent.Observed) {
	if got.Module.Obstacle == "" {
		same(w, "", agent.Script(agent.Actions(r.Plan)), "left to do")
		for _, s := range r.Failed() {
			w.Errorf("%s: %v", s.Action, s.Err)
		}
	}
	findings := byID(w, r.After)
	device := w.want.Device
	tunnel, found := got.Tunnel()
	switch {
	case found:
		device = tunnel.Name
	case !got.Module.Loaded:
		device = agent.DefaultDevice
	}
	for _, vip := range w.want.VIPs {
		_, here := got.Verdicts[vip]
		if here || !found && findings["link/"+w.want.Device].Severity == agent.Critical || !found && got.Module.Obstacle != "" {
			continue
		}
		f := findings["addr/"+device+"/"+vip.String()]
		if f.Severity != agent.Critical || !strings.Contains(f.Why, "It is not added, because") {
			w.Errorf("%s is not in place, and the reason is %+v", vip, f)
		}
	}
}

package agenttest

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
)

func wholeTests() map[string]func(*testing.T, rig) {
	return map[string]func(*testing.T, rig){
		"there and back":     testThereAndBack,
		"module and all":     testModuleAndAll,
		"typed by hand":      testTyped,
		"the fake beside it": testMirror,
		"random walk":        testWalk,
	}
}

// pass makes a pass that must leave nothing to do and nothing broken.
func (r rig) pass(t *testing.T, s agent.Store) agent.Report {
	t.Helper()
	report, err := agent.Pass(t.Context(), r, s, desired())
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range report.Failed() {
		t.Errorf("%s: %v", step.Action, step.Err)
	}
	if plan := agent.Script(agent.Actions(report.Plan)); plan != "" {
		t.Errorf("left to do:\n%s", plan)
	}
	return report
}

// teardown undoes what the store knows of, twice: the second time must find
// nothing to do.
func (r rig) teardown(t *testing.T, s agent.Store, alone bool) {
	t.Helper()
	base, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	steps, got, err := agent.RunTeardown(t.Context(), r, base, alone)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if step.Err != nil {
			t.Errorf("%s: %v", step.Action, step.Err)
		}
	}
	if again := agent.Script(agent.Teardown(base, base.Device, got, alone)); again != "" {
		t.Errorf("a second teardown would do\n%s", again)
	}
}

func testThereAndBack(t *testing.T, r rig) {
	r.with(t)
	Type(t, r, ClassicNetwork, "sysctl -w net.ipv4.conf.all.rp_filter=1; sysctl -w net.ipv4.conf.tunl0.rp_filter=2; sysctl -w net.ipv4.conf.eth0.arp_ignore=3")
	before := r.Dump()
	var s MemStore
	if report := r.pass(t, &s); report.State() != agent.OK {
		t.Errorf("state %v, want ok: %+v", report.State(), agent.NotOK(report.After))
	}
	r.hasAddrs(t, "tunl0", "172.25.84.100/32 tunl0:rs")
	if again := r.pass(t, &s); len(again.Done) > 0 {
		t.Errorf("a second pass did %v", again.Done)
	}
	r.teardown(t, &s, false)
	r.same(t, before, "after teardown")
}

func testModuleAndAll(t *testing.T, r rig) {
	r.without(t)
	Type(t, r, ClassicNetwork)
	before := r.Dump()
	var s MemStore
	r.pass(t, &s)
	r.teardown(t, &s, true)
	r.same(t, before, "after teardown")
}

// testTyped types the plan that a pass would carry out: the text of an action
// must be the command for the same effect.
func testTyped(t *testing.T, r rig) {
	r.with(t)
	Type(t, r, ClassicNetwork, "ip addr add 172.25.84.100/32 dev tunl0")
	var s MemStore
	report, found := agent.Look(t.Context(), r, &s, desired())
	Type(t, r, agent.Script(agent.Actions(report.Plan)))
	typed := r.Dump()
	base, _ := agent.Baseline{}.Record(found, agent.Actions(report.Plan))
	undo := agent.Teardown(base, "tunl0", r.look(t), false)
	Type(t, r, agent.Script(undo))
	r.same(t, Render(found), "after the typed teardown")
	r.pass(t, &s)
	r.same(t, typed, "typed and applied")
}

// testMirror plays a random walk on the machine and on a fake, and compares
// them after every step.
func testMirror(t *testing.T, r rig) {
	r.with(t)
	fake := NewFake()
	Type(t, fake, "modprobe ipip")
	if diff := cmp.Diff(fake.Dump(), r.Dump()); diff != "" {
		t.Skipf("a fresh namespace of this machine is not bare (-fake +machine):\n%s", diff)
	}
	Type(t, r, ClassicNetwork)
	Type(t, fake, ClassicNetwork)
	w := Walk{Rand: rand.New(rand.NewPCG(84, 100)), VIPs: []string{"172.25.84.100", "172.25.84.101"}}
	for step := range 80 {
		script := w.Step()
		got := r.Run(script)
		if errors.Is(got, errors.ErrUnsupported) {
			continue
		}
		want := fake.Run(script)
		if (got == nil) != (want == nil) {
			t.Errorf("step %d: %s\n the fake: %v\n the machine: %v", step, script, want, got)
		}
		if diff := cmp.Diff(fake.Dump(), r.Dump()); diff != "" {
			t.Fatalf("step %d: %s (-fake +machine):\n%s", step, script, diff)
		}
	}
}

// testWalk tampers and makes a pass after each few steps. Whatever was done,
// nothing that could be done may be left.
func testWalk(t *testing.T, r rig) {
	r.with(t)
	Type(t, r, ClassicNetwork)
	var s MemStore
	w := Walk{Rand: rand.New(rand.NewPCG(84, 2)), VIPs: []string{"172.25.84.100"}}
	for range 12 {
		var script string
		for range 1 + w.Rand.IntN(3) {
			script = w.Step()
			_ = r.Run(script)
		}
		r.pass(t, &s)
		r.seesAll(t)
		if t.Failed() {
			t.Fatalf("after %s", script)
		}
	}
}

package agent_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/sysctl"
)

var errInjected = syscall.EROFS

// newVIPs returns the addresses that were added successfully.
func newVIPs(steps []agent.Step) []agent.Action {
	var out []agent.Action
	for _, s := range steps {
		if _, ok := s.Action.(agent.AddAddr); ok && s.Err == nil {
			out = append(out, s.Action)
		}
	}
	return out
}

// Law 4: whichever setting cannot be written, no VIP is added.
func TestFailedSysctlMeansNoVIP(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func() *agenttest.Fake, want agent.Desired) {
		f := fresh()
		pass(t, f, &agenttest.MemStore{}, want)
		var settings []agent.Action
		for _, a := range f.Applied() {
			if _, ok := a.(agent.SetSysctl); ok {
				settings = append(settings, a)
			}
		}
		if len(settings) == 0 {
			t.Fatal("no setting was written")
		}
		for _, a := range settings {
			f := fresh()
			f.Fail(a.String(), errInjected)
			r, err := agent.Pass(t.Context(), f, &agenttest.MemStore{}, want)
			if err != nil {
				t.Fatal(err)
			}
			if added := newVIPs(r.Done); len(added) > 0 {
				t.Errorf("%s failed, and yet: %v", a, added)
			}
			if len(r.Failed()) == 0 || r.Converged() {
				t.Errorf("%s failed, and the report does not say so", a)
			}
			f.Fail(a.String(), nil)
			if r := pass(t, f, &agenttest.MemStore{}, want); !r.Converged() {
				t.Errorf("%s works again, and this is left: %v", a, r.Plan)
			}
		}
	})
}

// A setting that cannot be read is as bad as one that cannot be written.
func TestUnreadableARPMeansNoVIP(t *testing.T) {
	want := configs()["plain"]
	for _, key := range []sysctl.Key{
		{Scope: "all", Name: "arp_ignore"}, {Scope: "all", Name: "arp_announce"},
		{Scope: "eth0", Name: "arp_ignore"}, {Scope: "eth0", Name: "arp_announce"},
	} {
		f := host(t)
		f.Hide(key, "permission denied")
		r, err := agent.Pass(t.Context(), f, &agenttest.MemStore{}, want)
		if err != nil {
			t.Fatal(err)
		}
		if added := newVIPs(r.Done); len(added) > 0 {
			t.Errorf("%s unreadable, and yet: %v", key, added)
		}
		if n := agent.Count(r.After, agent.Unknown); n != 1 {
			t.Errorf("%s unreadable: %d findings say so, want 1", key, n)
		}
	}
}

func TestNothingIsDoneUnrecorded(t *testing.T) {
	for name, spoil := range map[string]func(*agenttest.MemStore){
		"load": func(s *agenttest.MemStore) { s.FailLoad(errInjected) },
		"save": func(s *agenttest.MemStore) { s.FailSave(errInjected) },
	} {
		f, s := host(t), &agenttest.MemStore{}
		spoil(s)
		_, err := agent.Pass(t.Context(), f, s, configs()["plain"])
		if !errors.Is(err, errInjected) || len(f.Applied()) > 0 {
			t.Errorf("%s fails: error %v, applied %v", name, err, f.Applied())
		}
	}
}

func TestNoReadingNoAction(t *testing.T) {
	f := host(t)
	f.FailObserve(errors.New("no buffer space available"))
	r, err := agent.Pass(t.Context(), f, &agenttest.MemStore{}, configs()["plain"])
	if err != nil || len(f.Applied()) > 0 {
		t.Errorf("error %v, applied %v", err, f.Applied())
	}
	if len(r.After) != 1 || r.After[0].ID() != "kernel" || r.State() != agent.Unknown {
		t.Errorf("findings %+v, want one, kernel, unknown", r.After)
	}
}

// A failed addition leaves what it would have replaced, and what cannot be
// done is tried once in a pass and said.
func TestFailedAddition(t *testing.T) {
	want := configs()["everything"]
	f := host(t, "modprobe ipip; ip addr add 172.25.84.100/24 dev eth0")
	f.Fail("ip addr add 172.25.84.100/32 dev tunl0 label tunl0:rs", syscall.ENOBUFS)
	r, err := agent.Pass(t.Context(), f, &agenttest.MemStore{}, want)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range f.Applied() {
		if _, ok := a.(agent.DelAddr); ok {
			t.Errorf("%s, although its replacement failed", a)
		}
	}
	if r.State() != agent.Critical || r.Converged() {
		t.Errorf("state %v, converged %v", r.State(), r.Converged())
	}
}

func TestBlacklistedModule(t *testing.T) {
	f := host(t)
	f.Blacklist("blacklisted in /etc/modprobe.d/x.conf:1")
	before := f.Dump()
	r, err := agent.Pass(t.Context(), f, &agenttest.MemStore{}, configs()["plain"])
	if err != nil {
		t.Fatal(err)
	}
	same(t, before, f.Dump(), "with the module blacklisted")
	found := byID(t, r.After)["module/ipip"]
	if found.Severity != agent.Critical || !strings.Contains(found.Why, "blacklisted in /etc/modprobe.d/x.conf:1") {
		t.Errorf("module/ipip: %+v, want critical, with the reason", found)
	}
	if len(r.Failed()) != 1 {
		t.Errorf("failed steps %v, want one", r.Failed())
	}
}

// A pass whose context ends stops between two phases: what has begun is
// finished, nothing else is tried.
func TestPassCutShort(t *testing.T) {
	for phase := agent.PhaseTunnel; phase <= agent.PhaseRemove; phase++ {
		f, s := host(t), &agenttest.MemStore{}
		f.Files(map[string]string{})
		want := configs()["three loose"]
		want.Persist = true
		if phase == agent.PhaseRemove {
			agenttest.Type(t, f, "ip addr add 10.2.2.2/32 dev tunl0 label tunl0:rs")
		}
		ctx, cancel := context.WithCancel(t.Context())
		f.Hook(func(a agent.Action) {
			if a.Phase() == phase {
				cancel()
			}
		}, nil)
		if _, err := agent.Pass(ctx, f, s, want); err != nil {
			t.Fatal(err)
		}
		if ctx.Err() == nil {
			t.Errorf("phase %d never came", phase)
		}
		cancel()
		for _, a := range f.Applied() {
			if a.Phase() > phase {
				t.Errorf("cancelled in phase %d, and yet: %s", phase, a)
			}
		}
		f.Hook(nil, nil)
		if r := pass(t, f, s, want); !r.Converged() {
			t.Errorf("cancelled in phase %d, then left: %v", phase, r.Plan)
		}
	}
}

package agent_test

import (
	"testing"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// dead is the panic that plays kill -9.
type dead struct{}

// mortal runs f, which dies when its n-th breath (an action, or a write to the
// store) is due, and reports whether it lived.
func mortal(f *agenttest.Fake, s *agenttest.MemStore, n int, life func()) (lived bool) {
	breath := func() {
		if n--; n < 0 {
			panic(dead{})
		}
	}
	f.Hook(func(agent.Action) { breath() }, nil)
	s.Hook(breath)
	defer func() {
		f.Hook(nil, nil)
		s.Hook(nil)
		if r := recover(); r != nil {
			if _, ok := r.(dead); !ok {
				panic(r)
			}
		}
	}()
	life()
	return true
}

// killAtEach plays life on fresh hosts, dying one step later each time, until
// it lives, and calls after for each.
func killAtEach(t *testing.T, fresh func() (*agenttest.Fake, *agenttest.MemStore), life, after func(*agenttest.Fake, *agenttest.MemStore)) {
	t.Helper()
	for n := 0; n < 200; n++ {
		f, s := fresh()
		lived := mortal(f, s, n, func() { life(f, s) })
		after(f, s)
		if t.Failed() {
			t.Fatalf("killed at step %d", n)
		}
		if lived {
			return
		}
	}
	t.Fatal("it never ended")
}

// Law 7 and 9, for a pass: whenever the agent dies, the next pass ends where
// an undisturbed one would have, and a teardown goes back to what was found.
func TestKilledPass(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func() *agenttest.Fake, want agent.Desired) {
		undisturbed := fresh()
		before := undisturbed.Dump()
		pass(t, undisturbed, &agenttest.MemStore{}, want)
		reborn := func() (*agenttest.Fake, *agenttest.MemStore) { return fresh(), &agenttest.MemStore{} }
		life := func(f *agenttest.Fake, s *agenttest.MemStore) { pass(t, f, s, want) }

		killAtEach(t, reborn, life, func(f *agenttest.Fake, s *agenttest.MemStore) {
			pass(t, f, s, want)
			same(t, undisturbed.Dump(), f.Dump(), "after the next pass")
			undo(t, f, s)
			same(t, before, f.Dump(), "after the next pass and a teardown")
		})
		killAtEach(t, reborn, life, func(f *agenttest.Fake, s *agenttest.MemStore) {
			undo(t, f, s)
			same(t, before, f.Dump(), "after a teardown at once")
		})
	})
}

// Law 7, for a teardown: done again, it ends where it would have.
func TestKilledTeardown(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func() *agenttest.Fake, want agent.Desired) {
		before := fresh().Dump()
		inService := func() (*agenttest.Fake, *agenttest.MemStore) {
			f, s := fresh(), &agenttest.MemStore{}
			pass(t, f, s, want)
			return f, s
		}
		killAtEach(t, inService, func(f *agenttest.Fake, s *agenttest.MemStore) { undo(t, f, s) },
			func(f *agenttest.Fake, s *agenttest.MemStore) {
				undo(t, f, s)
				same(t, before, f.Dump(), "after the next teardown")
			})
	})
}

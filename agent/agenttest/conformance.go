package agenttest

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/sysctl"
)

// Opener returns a kernel in a fresh network namespace that has a loopback
// device only, and the machine that goes with it. It is called in the
// goroutine of the subtest, which may be locked to a thread of its own for it.
type Opener func(t *testing.T) (agent.Kernel, Machine)

// Conformance holds a kernel to what the rest of rsagent relies on. The fake
// and the real kernel must both pass it. All but Watch is called from the
// goroutine of the subtest, one subtest after the other.
func Conformance(t *testing.T, open Opener) {
	groups := map[string]map[string]func(*testing.T, rig){
		"module":   moduleTests(),
		"settings": settingTests(),
		"address":  addressTests(),
		"link":     linkTests(),
		"observe":  observeTests(),
		"watch":    watchTests(),
		"whole":    wholeTests(),
		"focus":    focusTests(),
	}
	for group, tests := range groups {
		t.Run(group, func(t *testing.T) {
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					k, m := open(t)
					test(t, rig{k, m})
				})
			}
		})
	}
}

// A rig is what a subtest has in hand.
type rig struct {
	agent.Kernel
	Machine
}

// vip is the VIP of the classic network.
func vip() netip.Addr { return netip.AddrFrom4([4]byte{172, 25, 84, 100}) }

func vip32() netip.Prefix { return netip.PrefixFrom(vip(), 32) }

func desired() agent.Desired { return agent.Desired{VIPs: []netip.Addr{vip()}}.Normal() }

// without makes sure that the module is not loaded, or skips the test where
// it must not be unloaded.
func (r rig) without(t *testing.T) {
	t.Helper()
	if err := r.Run("modprobe -r ipip"); errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// with makes sure that it is.
func (r rig) with(t *testing.T) { t.Helper(); Type(t, r, "modprobe ipip") }

func (r rig) look(t *testing.T) agent.Observed {
	t.Helper()
	got, err := r.Observe(t.Context(), desired())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// tunnel returns the tunnel, which must be there.
func (r rig) tunnel(t *testing.T) agent.Link {
	t.Helper()
	l, ok := r.look(t).Tunnel()
	if !ok {
		t.Fatalf("no tunnel in\n%s", r.Dump())
	}
	return l
}

// do applies one action and returns its error.
func (r rig) do(a agent.Action) error {
	return r.Apply(context.Background(), []agent.Action{a})[0]
}

// must applies actions one after the other.
func (r rig) must(t *testing.T, actions ...agent.Action) {
	t.Helper()
	for _, a := range actions {
		if err := r.do(a); err != nil {
			t.Fatal(err)
		}
	}
}

// fails applies an action that must fail with the given error, and change
// nothing.
func (r rig) fails(t *testing.T, a agent.Action, want error) {
	t.Helper()
	before := r.Dump()
	if err := r.do(a); !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", a, err, want)
	}
	r.same(t, before, "after a failed "+a.String())
}

// same compares the machine with an earlier dump.
func (r rig) same(t *testing.T, want, when string) {
	t.Helper()
	if diff := cmp.Diff(want, r.Dump()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

// addrs returns the addresses of a device as "prefix label".
func (r rig) addrs(t *testing.T, name string) []string {
	t.Helper()
	got := r.look(t)
	l, _ := got.Link(name)
	out := []string{}
	for _, a := range got.Addrs {
		if a.Index == l.Index {
			out = append(out, a.Prefix.String()+" "+a.Label)
		}
	}
	return out
}

func (r rig) hasAddrs(t *testing.T, name string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), r.addrs(t, name)); diff != "" {
		t.Errorf("addresses of %s (-want +got):\n%s", name, diff)
	}
}

func (r rig) hasValue(t *testing.T, scope, name string, want int) {
	t.Helper()
	key := sysctl.Key{Scope: scope, Name: name}
	if got, ok := r.look(t).Sysctls[key]; !ok || got != want {
		t.Errorf("%s = %d (known: %v), want %d", key, got, ok, want)
	}
}

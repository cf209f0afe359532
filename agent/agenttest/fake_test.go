package agenttest_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/sysctl"
)

func vipOnTunnel() agent.AddAddr {
	return agent.AddAddr{Device: "tunl0", Prefix: netip.MustParsePrefix("172.25.84.100/32"), Label: "tunl0:rs"}
}

func one(f *agenttest.Fake, a agent.Action) error {
	return f.Apply(context.Background(), []agent.Action{a})[0]
}

func TestRealServer(t *testing.T) {
	want := `lo: <UP> mtu 65536
    inet 127.0.0.1/8 lo
eth0: <ARP,UP> mtu 1500
    inet 172.25.84.2/24 eth0
`
	got, _, _ := strings.Cut(agenttest.NewRealServer().Dump(), "net.ipv4")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestInjectedErrors(t *testing.T) {
	f := agenttest.NewRealServer()
	agenttest.Type(t, f, "modprobe ipip; ip addr add 172.25.84.100/32 dev tunl0")
	add := vipOnTunnel()
	f.Fail(add.String(), syscall.ENOBUFS)
	if err := one(f, add); !errors.Is(err, syscall.ENOBUFS) || !strings.HasPrefix(err.Error(), add.String()+": ") {
		t.Errorf("got %v, want the command and ENOBUFS", err)
	}
	// The second half of a relabel fails: the address is gone.
	if err := one(f, agent.Relabel{Device: add.Device, Prefix: add.Prefix, Label: add.Label}); !errors.Is(err, syscall.ENOBUFS) || strings.Contains(f.Dump(), "172.25.84.100") {
		t.Errorf("got %v and\n%s", err, f.Dump())
	}
	f.Fail(add.String(), nil)
	if err := one(f, add); err != nil {
		t.Error(err)
	}
	if n := len(f.Applied()); n != 3 {
		t.Errorf("%d actions were tried, want 3", n)
	}
	f.FailObserve(syscall.ENOBUFS)
	if _, err := f.Observe(t.Context(), agent.Desired{}); !errors.Is(err, syscall.ENOBUFS) {
		t.Errorf("got %v, want ENOBUFS", err)
	}
}

func TestHooksMayTamper(t *testing.T) {
	f := agenttest.NewRealServer()
	agenttest.Type(t, f, "modprobe ipip")
	f.Hook(
		func(agent.Action) { agenttest.Type(t, f, "modprobe -r ipip") },
		func(_ agent.Action, err error) {
			if !errors.Is(err, syscall.ENODEV) {
				t.Errorf("got %v, want ENODEV", err)
			}
			agenttest.Type(t, f, "modprobe ipip")
		})
	_ = one(f, vipOnTunnel())
	f.Hook(nil, nil)
	if err := one(f, vipOnTunnel()); err != nil {
		t.Error(err)
	}
}

func TestPhasesDoNotMix(t *testing.T) {
	f := agenttest.NewRealServer()
	agenttest.Type(t, f, "modprobe ipip")
	before := f.Dump()
	errs := f.Apply(t.Context(), []agent.Action{agent.LoadModule{Device: "tunl0"}, vipOnTunnel()})
	if errs[0] != nil || errs[1] == nil {
		t.Errorf("got %v, want an error for the second", errs)
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBlacklist(t *testing.T) {
	f := agenttest.NewRealServer()
	f.Blacklist("blacklisted in /etc/modprobe.d/x.conf:1")
	before := f.Dump()
	for _, script := range []string{"modprobe ipip", "ip link set dev tunl0 up", "ip link add ipip1 type ipip remote 10.0.0.1"} {
		if f.Run(script) == nil {
			t.Errorf("%s: no error", script)
		}
	}
	if one(f, agent.LoadModule{Device: "tunl0"}) == nil {
		t.Error("LoadModule: no error")
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got, err := f.Observe(t.Context(), agent.Desired{})
	if err != nil || got.Module.Obstacle != "blacklisted in /etc/modprobe.d/x.conf:1" {
		t.Errorf("got %+v, %v", got.Module, err)
	}
}

// The module loads into a namespace that gets no device from it; then a device
// is made, and can be deleted again.
func TestNoFallback(t *testing.T) {
	f := agenttest.NewRealServer()
	agenttest.Type(t, f, "sysctl -w net.core.fb_tunnels_only_for_init_net=1; modprobe ipip")
	before := f.Dump()
	if err := one(f, agent.CreateTunnel{Device: "tunl0"}); err != nil {
		t.Fatal(err)
	}
	got, err := f.Observe(t.Context(), agent.Desired{})
	if _, found := got.Tunnel(); err != nil || !found {
		t.Errorf("no tunnel, %v", err)
	}
	if err := one(f, agent.DeleteTunnel{Device: "tunl0"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSecondaryAddresses(t *testing.T) {
	f := agenttest.NewRealServer()
	agenttest.Type(t, f, "ip addr add 172.25.84.9/24 dev eth0; ip addr del 172.25.84.2/24 dev eth0")
	if strings.Contains(f.Dump(), "172.25.84.9") {
		t.Errorf("a secondary address outlived its primary one:\n%s", f.Dump())
	}
	if got, err := f.Observe(t.Context(), agent.Desired{}); err != nil || len(got.Gateways) > 0 || got.Source.IsValid() {
		t.Errorf("a way out without an address: %+v, %v", got, err)
	}
}

func TestHiddenSettings(t *testing.T) {
	f := agenttest.NewRealServer()
	all, own := sysctl.Key{Scope: "all", Name: "arp_ignore"}, sysctl.Key{Scope: "eth0", Name: "arp_ignore"}
	f.Hide(all, "permission denied")
	f.Hide(own, "permission denied")
	got, err := f.Observe(t.Context(), agent.Desired{})
	if err != nil {
		t.Fatal(err)
	}
	want := []agent.Gap{{Subject: agent.SubjectOf(all), Err: "sysctl net.ipv4.conf.all.arp_ignore: permission denied"}}
	if diff := cmp.Diff(want, got.Gaps, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	for _, key := range []sysctl.Key{all, own} {
		if _, ok := got.Sysctls[key]; ok {
			t.Errorf("%s was read", key)
		}
		f.Hide(key, "")
	}
	if got, _ := f.Observe(t.Context(), agent.Desired{}); len(got.Gaps) > 0 {
		t.Errorf("still gaps: %v", got.Gaps)
	}
}

// A step of a walk is a script that the fake knows, of every kind.
func TestWalkIsUnderstood(t *testing.T) {
	f := agenttest.NewFake()
	agenttest.Type(t, f, agenttest.ClassicNetwork)
	worked := map[string]bool{}
	for seed := range uint64(300) {
		for _, script := range steps(seed, 20) {
			if err := f.Run(script); err == nil {
				words := strings.Fields(script)
				worked[strings.Join(words[:min(3, len(words))], " ")] = true
			} else if strings.Contains(err.Error(), "not a command") {
				t.Fatal(err)
			}
		}
	}
	for _, verb := range []string{"ip addr add", "ip addr del", "ip -4 addr", "ip link set", "ip link add", "ip link del",
		"modprobe ipip", "modprobe -r ipip", "modprobe -r ipip;", "ip route add", "ip route del"} {
		if !worked[verb] {
			t.Errorf("%s never worked", verb)
		}
	}
}

func TestStore(t *testing.T) {
	var s agenttest.MemStore
	if base, err := s.Load(); err != nil || !base.Empty() {
		t.Errorf("got %+v, %v, want nothing", base, err)
	}
	want := agent.Baseline{Device: "tunl0", Sysctls: map[sysctl.Key]int{{Scope: "eth0.7", Name: "rp_filter"}: 1}}
	if err := s.Save(want); err != nil {
		t.Fatal(err)
	}
	want.Sysctls[sysctl.Key{Scope: "all", Name: "rp_filter"}] = 2 // not shared
	got, err := s.Load()
	expected := agent.Baseline{Device: "tunl0", Sysctls: map[sysctl.Key]int{{Scope: "eth0.7", Name: "rp_filter"}: 1}}
	if diff := cmp.Diff(expected, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	s.FailSave(syscall.ENOSPC)
	if err := s.Save(agent.Baseline{}); !errors.Is(err, syscall.ENOSPC) || s.Saves() != 1 {
		t.Errorf("got %v, %d saves", err, s.Saves())
	}
	s.FailLoad(syscall.EIO)
	if _, err := s.Load(); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	f := agenttest.NewRealServer()
	ctx, cancel := context.WithCancel(t.Context())
	hints := f.Watch(ctx)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for _, script := range steps(uint64(i), 50) {
				_ = f.Run(script)
				_, _ = f.Observe(ctx, agent.Desired{})
				_ = one(f, vipOnTunnel())
				_ = f.Dump()
			}
		})
	}
	wg.Go(func() {
		for range hints {
		}
	})
	wg.Go(cancel)
	wg.Wait()
}

// steps returns the beginning of a walk.
func steps(seed uint64, n int) []string {
	w := agenttest.Walk{Rand: rand.New(rand.NewPCG(seed, 1)), VIPs: []string{"172.25.84.100"}}
	var out []string
	for range n {
		out = append(out, w.Step())
	}
	return out
}

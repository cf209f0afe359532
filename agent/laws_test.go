package agent_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/sysctl"
)

// start is a host as rsagent may find it: rs1 of the classic network after a
// script.
type start struct{ name, script string }

func starts() []start {
	return []start{
		{"module absent", ""},
		{"module loaded", "modprobe ipip"},
		{"tunnel up", "modprobe ipip; ip link set dev tunl0 up"},
		{"recipe by hand", "modprobe ipip; ip link set dev tunl0 up; ip addr add 172.25.84.100/32 dev tunl0;" +
			"sysctl -w net.ipv4.conf.all.arp_ignore=1; sysctl -w net.ipv4.conf.all.arp_announce=2"},
		{"two VIPs by hand, tunnel down", "ip addr add 172.25.84.101/32 dev tunl0 label tunl0:1; ip addr add 172.25.84.100/32 dev tunl0"},
		{"hardened", "sysctl -w net.ipv4.conf.default.rp_filter=1; sysctl -w net.ipv4.conf.all.rp_filter=1;" +
			"modprobe ipip; sysctl -w net.ipv4.conf.eth0.rp_filter=1"},
		{"hardened before the module", "sysctl -w net.ipv4.conf.default.rp_filter=1; sysctl -w net.ipv4.conf.all.rp_filter=1"},
		{"odd values", "modprobe ipip; sysctl -w net.ipv4.conf.eth0.arp_ignore=3; sysctl -w net.ipv4.conf.all.arp_ignore=8;" +
			"sysctl -w net.ipv4.conf.all.arp_announce=1; sysctl -w net.ipv4.conf.tunl0.rp_filter=2; sysctl -w net.ipv4.conf.eth0.arp_announce=3"},
		{"renamed fallback", "modprobe ipip; ip link set dev tunl0 name cilium_tunl"},
		{"no fallback here", "sysctl -w net.core.fb_tunnels_only_for_init_net=1; modprobe ipip"},
		{"two NICs", "ip link add eth1 type veth peer name wire1; ip link set dev eth1 up; sysctl -w net.ipv4.conf.eth1.arp_ignore=2;" +
			"sysctl -w net.ipv4.conf.eth0.arp_announce=2; sysctl -w net.ipv4.conf.eth1.rp_filter=1"},
		{"neighbourhood", "modprobe ipip; ip link add dum0 type dummy; ip addr add 10.9.9.9/32 dev dum0; ip addr add 10.8.8.8/32 dev tunl0;" +
			"ip addr add 127.0.0.42/32 dev tunl0; ip link add ipip1 type ipip remote 192.0.2.9; ip link set dev ipip1 up; ip addr add 172.25.84.9/24 dev eth0"},
	}
}

func vips(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// configs are the ways of asking that make a difference to the core.
func configs() map[string]agent.Desired {
	return map[string]agent.Desired{
		"plain":       agent.Desired{VIPs: vips("172.25.84.100")}.Normal(),
		"three loose": agent.Desired{VIPs: vips("172.25.84.102", "172.25.84.100", "172.25.84.101"), RPFilter: 2}.Normal(),
		"everything": agent.Desired{VIPs: vips("172.25.84.100", "172.25.84.101"), Directors: vips("172.25.84.4"),
			AnySender: true, RemoveStrays: true}.Normal(),
	}
}

// everywhere runs a law on every start with every config. fresh makes the host
// anew each time.
func everywhere(t *testing.T, law func(t *testing.T, fresh func() *agenttest.Fake, want agent.Desired)) {
	t.Helper()
	for _, s := range starts() {
		for name, want := range configs() {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				law(t, func() *agenttest.Fake { return host(t, s.script) }, want)
			})
		}
	}
}

func host(t testing.TB, scripts ...string) *agenttest.Fake {
	t.Helper()
	f := agenttest.NewRealServer()
	agenttest.Type(t, f, scripts...)
	return f
}

// pass makes a pass, all of whose steps must succeed.
func pass(t testing.TB, k agent.Kernel, s agent.Store, want agent.Desired) agent.Report {
	t.Helper()
	r, err := agent.Pass(t.Context(), k, s, want)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range r.Failed() {
		t.Errorf("%s: %v", step.Action, step.Err)
	}
	return r
}

func observe(t testing.TB, k agent.Kernel, want agent.Desired) agent.Observed {
	t.Helper()
	got, err := k.Observe(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func same(t testing.TB, want, got, when string) {
	t.Helper()
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

// Law 1: after a pass nothing is left that could be done, and the path is there.
func TestPassConverges(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func() *agenttest.Fake, want agent.Desired) {
		f := fresh()
		r := pass(t, f, &agenttest.MemStore{}, want)
		same(t, "", agent.Script(agent.Actions(r.Plan)), "left to do")
		got := observe(t, f, want)
		tunnel, found := got.Tunnel()
		if !found || !tunnel.Up {
			t.Fatalf("tunnel %+v, want one that is up", tunnel)
		}
		for _, vip := range want.VIPs {
			if !got.Verdicts[vip].Local {
				t.Errorf("verdict for %s: %+v, want local", vip, got.Verdicts[vip])
			}
		}
		if leak := leaks(got); leak != "" {
			t.Error(leak)
		}
	})
}

// leaks says by which device an address of the tunnel could be answered for
// over ARP, or "". It is written down apart from the profile, from the
// kernel's documentation.
func leaks(got agent.Observed) string {
	for _, l := range got.Links {
		if !l.ARP {
			continue
		}
		ignore := max(got.Sysctls[sysctl.Key{Scope: "all", Name: "arp_ignore"}], got.Sysctls[sysctl.Key{Scope: l.Name, Name: "arp_ignore"}])
		announce := max(got.Sysctls[sysctl.Key{Scope: "all", Name: "arp_announce"}], got.Sysctls[sysctl.Key{Scope: l.Name, Name: "arp_announce"}])
		if ignore != 1 && ignore != 2 || announce != 2 {
			return fmt.Sprintf("%s: effective arp_ignore %d, arp_announce %d", l.Name, ignore, announce)
		}
	}
	return ""
}

// Law 2: a second pass applies nothing, and records nothing.
func TestSecondPassDoesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func() *agenttest.Fake, want agent.Desired) {
		f := fresh()
		var s agenttest.MemStore
		pass(t, f, &s, want)
		before, applied, saves := f.Dump(), len(f.Applied()), s.Saves()
		r := pass(t, f, &s, want)
		if n := len(f.Applied()); n != applied || s.Saves() != saves {
			t.Errorf("did %v, and saved %d times", r.Done, s.Saves()-saves)
		}
		same(t, before, f.Dump(), "after a second pass")
	})
}

// Law 3: in no plan does a VIP come before an ARP setting, nor a removal
// before the address that replaces what is removed.
func TestPlanOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func() *agenttest.Fake, want agent.Desired) {
		f := fresh()
		pass(t, f, &agenttest.MemStore{}, want)
		checkOrder(t, f.Applied())
		// Again, with everything wrong at once.
		_ = f.Run("sysctl -w net.ipv4.conf.all.arp_ignore=0; sysctl -w net.ipv4.conf.all.arp_announce=0; sysctl -w net.ipv4.conf.all.rp_filter=1;" +
			"ip addr flush dev tunl0; ip addr add 10.2.2.2/32 dev tunl0 label tunl0:rs; ip addr add 172.25.84.100/24 dev eth0 label eth0:rs")
		r, _ := agent.Look(t.Context(), f, &agenttest.MemStore{}, want)
		checkOrder(t, agent.Actions(r.Plan))
	})
}

func checkOrder(t testing.TB, plan []agent.Action) {
	t.Helper()
	address, removal := -1, -1
	for i, a := range plan {
		switch a := a.(type) {
		case agent.AddAddr, agent.Relabel:
			address = i
			if removal >= 0 {
				t.Errorf("%s comes after %s", a, plan[removal])
			}
		case agent.SetSysctl:
			if address >= 0 && a.Key.Name != sysctl.RPFilter {
				t.Errorf("%s comes after %s", a, plan[address])
			}
		case agent.DelAddr:
			removal = i
		}
	}
}

// Law 8: to look, and to observe only, changes nothing and records nothing.
func TestLookingChangesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func() *agenttest.Fake, want agent.Desired) {
		f := fresh()
		var s agenttest.MemStore
		before := f.Dump()
		looked, _ := agent.Look(t.Context(), f, &s, want)
		want.ObserveOnly = true
		r := pass(t, f, &s, want)
		if len(f.Applied()) > 0 || s.Saves() > 0 || len(r.Done) > 0 {
			t.Errorf("applied %v, saved %d times", f.Applied(), s.Saves())
		}
		same(t, before, f.Dump(), "after looking")
		same(t, agent.Script(agent.Actions(looked.Plan)), agent.Script(agent.Actions(r.Would)), "what would be done")
		same(t, "", agent.Script(agent.Actions(r.Plan)), "plan in observe mode")
	})
}

// byID returns findings by their ID. Of several with the same one the worst
// counts.
func byID(t testing.TB, findings []agent.Finding) map[string]agent.Finding {
	t.Helper()
	out := map[string]agent.Finding{}
	for _, f := range findings {
		if old, ok := out[f.ID()]; !ok || f.Severity > old.Severity {
			out[f.ID()] = f
		}
	}
	return out
}

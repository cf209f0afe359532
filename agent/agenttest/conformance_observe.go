package agenttest

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/sysctl"
)

func linkTests() map[string]func(*testing.T, rig) {
	return map[string]func(*testing.T, rig){
		"kinds":   testKinds,
		"shadows": testTunnelAmongOthers,
	}
}

func observeTests() map[string]func(*testing.T, rig) {
	return map[string]func(*testing.T, rig){
		"changes nothing": testObserveIsQuiet,
		"ended context":   testObserveEnded,
		"way out":         testWayOut,
		"verdicts":        testVerdicts,
		"no verdict":      testNoVerdict,
	}
}

// seesAll compares the kernel's reading with what ip and sysctl say.
func (r rig) seesAll(t *testing.T) {
	t.Helper()
	if diff := cmp.Diff(r.Dump(), Render(r.look(t))); diff != "" {
		t.Errorf("Observe (-ip and sysctl, +got):\n%s", diff)
	}
}

func testKinds(t *testing.T, r rig) {
	r.seesAll(t)
	r.with(t)
	Type(t, r, ClassicNetwork, "ip link add dum0.7 type dummy; ip link set dev eth0 arp off",
		"ip link add ipip1 type ipip remote 172.25.84.4; ip link add ipip2 type ipip local 172.25.84.2 remote 172.25.84.4",
		"ip link add ipip3 type ipip local 172.25.84.2; ip link add ipip4 type ipip external",
		"ip addr add 172.25.84.100/32 dev tunl0 label tunl0:x; ip link set dev ipip4 up")
	r.seesAll(t)
	got := r.look(t)
	want := map[string]agent.Link{
		"lo":     {Up: true, MTU: 65536},
		"eth0":   {Up: true, Kind: "veth", MTU: 1500},
		"wire":   {Up: true, Kind: "veth", MTU: 1500, ARP: true},
		"dum0.7": {Kind: "dummy", MTU: 1500},
		"tunl0":  {Kind: "ipip", MTU: 1480},
		"ipip1":  {Kind: "ipip", MTU: 1480, Remote: addr("172.25.84.4")},
		"ipip2":  {Kind: "ipip", MTU: 1480, Local: addr("172.25.84.2"), Remote: addr("172.25.84.4")},
		"ipip3":  {Kind: "ipip", MTU: 1480, Local: addr("172.25.84.2")},
		"ipip4":  {Kind: "ipip", MTU: 1480, External: true, Up: true},
	}
	for name, w := range want {
		l, _ := got.Link(name)
		w.Name, w.Index = name, l.Index
		if diff := cmp.Diff(w, l, cmp.Comparer(sameAddr)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func sameAddr(a, b netip.Addr) bool { return a == b }

func testTunnelAmongOthers(t *testing.T, r rig) {
	r.with(t)
	Type(t, r, "ip link add ipip4 type ipip external; ip link add ipip1 type ipip remote 172.25.84.4")
	if l := r.tunnel(t); l.Name != "tunl0" {
		t.Errorf("tunnel is %s, want tunl0", l.Name)
	}
}

func testObserveIsQuiet(t *testing.T, r rig) {
	r.with(t)
	Type(t, r, ClassicNetwork, "ip addr add 172.25.84.100/32 dev tunl0; ip link set dev tunl0 up")
	before := r.Dump()
	first := r.look(t)
	if diff := cmp.Diff(first, r.look(t), cmp.Comparer(sameAddr), cmp.Comparer(samePrefix)); diff != "" {
		t.Errorf("two readings differ (-first +second):\n%s", diff)
	}
	r.same(t, before, "after looking")
}

func samePrefix(a, b netip.Prefix) bool { return a == b }

func testObserveEnded(t *testing.T, r rig) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Observe(ctx, desired()); err == nil {
		t.Error("a reading although the context had ended")
	}
}

func testWayOut(t *testing.T, r rig) {
	if got := r.look(t); len(got.Gateways) > 0 || got.Source.IsValid() {
		t.Errorf("got gateways %v and source %v without any route", got.Gateways, got.Source)
	}
	Type(t, r, ClassicNetwork)
	got := r.look(t)
	want := []agent.Gateway{{Via: addr("172.25.84.1"), Device: "eth0"}}
	if diff := cmp.Diff(want, got.Gateways, cmp.Comparer(sameAddr)); diff != "" || got.Source != addr("172.25.84.2") {
		t.Errorf("source %v, want 172.25.84.2; gateways (-want +got):\n%s", got.Source, diff)
	}
}

// testVerdicts plays all values of rp_filter, with a way to everybody, with
// one to neighbours only, and with none.
func testVerdicts(t *testing.T, r rig) {
	r.with(t)
	Type(t, r, ClassicNetwork, "ip addr add 172.25.84.100/32 dev tunl0 label tunl0:rs; ip link set dev tunl0 up")
	ways := []struct{ name, script, loose string }{
		{"default route", "", "local"},
		{"neighbours only", "ip route del default", "on link only"},
		{"none", "ip -4 addr flush dev eth0", "rejected"},
	}
	for _, way := range ways {
		Type(t, r, way.script)
		want := []string{"local", "rejected", way.loose}
		for all := range 3 {
			for own := range 3 {
				r.must(t, set("all", sysctl.RPFilter, all), set("tunl0", sysctl.RPFilter, own))
				if got := word(r.look(t).Verdicts[vip()]); got != want[max(all, own)] {
					t.Errorf("%s, rp_filter of all %d, of tunl0 %d: got %s, want %s", way.name, all, own, got, want[max(all, own)])
				}
			}
		}
	}
}

func word(v agent.Verdict) string {
	switch {
	case v.OnLinkOnly && v.Local:
		return "on link only"
	case v.Local:
		return "local"
	case v.Text != "":
		return "rejected"
	}
	return fmt.Sprintf("%+v", v)
}

func testNoVerdict(t *testing.T, r rig) {
	r.with(t)
	Type(t, r, ClassicNetwork, "ip addr add 172.25.84.100/32 dev lo; ip addr add 172.25.84.100/24 dev tunl0")
	if got := r.look(t).Verdicts; len(got) != 0 {
		t.Errorf("got verdicts %v for a VIP that is not on the tunnel as /32", got)
	}
}

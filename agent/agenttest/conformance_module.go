package agenttest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
)

func moduleTests() map[string]func(*testing.T, rig) {
	return map[string]func(*testing.T, rig){
		"absent":              testModuleAbsent,
		"loaded by us":        testLoadModule,
		"loaded before":       testModuleLoadedBefore,
		"loaded by name":      testNameLoadsModule,
		"inherits default":    testTunnelInherits,
		"unloaded":            testUnload,
		"fallback stays":      testFallbackStays,
		"only one any to any": testOneFallback,
		"name is taken":       testSquatter,
	}
}

func testModuleAbsent(t *testing.T, r rig) {
	r.without(t)
	before := r.Dump()
	got := r.look(t)
	if _, found := got.Tunnel(); got.Module.Loaded || found || got.Module.Obstacle != "" {
		t.Errorf("got module %+v, tunnel %v; want neither, and no obstacle", got.Module, found)
	}
	r.same(t, before, "looking loaded the module")
}

func testLoadModule(t *testing.T, r rig) {
	r.without(t)
	r.must(t, agent.LoadModule{Device: "tunl0"})
	got := r.tunnel(t)
	want := agent.Link{Index: got.Index, Name: "tunl0", Kind: "ipip", MTU: 1480}
	if diff := cmp.Diff(want, got, cmp.Comparer(sameAddr)); diff != "" {
		t.Errorf("tunnel (-want +got):\n%s", diff)
	}
	r.hasAddrs(t, "tunl0")
	before := r.Dump()
	r.must(t, agent.LoadModule{Device: "tunl0"}, agent.CreateTunnel{Device: "tunl0"})
	r.same(t, before, "a second time")
}

func testModuleLoadedBefore(t *testing.T, r rig) {
	r.with(t)
	if l := r.tunnel(t); l.Name != "tunl0" || l.Up || l.ARP {
		t.Errorf("got %+v, want tunl0, down, without ARP", l)
	}
}

func testNameLoadsModule(t *testing.T, r rig) {
	r.without(t)
	Type(t, r, "ip link set dev tunl0 down")
	r.tunnel(t)
}

func testTunnelInherits(t *testing.T, r rig) {
	r.without(t)
	Type(t, r, "sysctl -w net.ipv4.conf.default.rp_filter=2", "sysctl -w net.ipv4.conf.default.arp_ignore=8")
	r.must(t, agent.LoadModule{Device: "tunl0"})
	r.hasValue(t, "tunl0", "rp_filter", 2)
	r.hasValue(t, "tunl0", "arp_ignore", 8)
	r.hasValue(t, "tunl0", "arp_announce", 0)
}

func testUnload(t *testing.T, r rig) {
	r.without(t)
	before := r.Dump()
	r.must(t, agent.LoadModule{Device: "tunl0"}, agent.LinkUp{Device: "tunl0"},
		agent.AddAddr{Device: "tunl0", Prefix: vip32(), Label: "tunl0:rs"})
	Type(t, r, "ip link add ipip1 type ipip remote 172.25.84.4")
	r.must(t, agent.UnloadModule{})
	r.same(t, before, "after unloading, with the tunnel up and a VIP on it")
}

func testFallbackStays(t *testing.T, r rig) {
	r.with(t)
	r.must(t, agent.LinkUp{Device: "tunl0"})
	before := r.Dump()
	r.must(t, agent.DeleteTunnel{Device: "tunl0"})
	Type(t, r, "ip link del dev tunl0")
	r.same(t, before, "after deleting the fallback device")
}

func testOneFallback(t *testing.T, r rig) {
	r.with(t)
	before := r.Dump()
	if err := r.Run("ip link add ipip1 type ipip"); err == nil {
		t.Error("a second tunnel from any to any was made")
	}
	r.same(t, before, "after trying")
	Type(t, r, "ip link set dev tunl0 name cilium_tunl")
	r.must(t, agent.CreateTunnel{Device: "tunl0"})
	if l := r.tunnel(t); l.Name != "cilium_tunl" {
		t.Errorf("tunnel is %s, want cilium_tunl", l.Name)
	}
}

// testSquatter checks that a device of another kind under the fallback's name
// keeps the module out, although modprobe takes its EEXIST for success.
func testSquatter(t *testing.T, r rig) {
	r.without(t)
	Type(t, r, "ip link add tunl0 type dummy")
	before := r.Dump()
	Type(t, r, "modprobe ipip")
	r.same(t, before, "after modprobe")
	if r.do(agent.LoadModule{Device: "tunl0"}) == nil {
		t.Error("LoadModule: no error, and no tunnel")
	}
	r.same(t, before, "after LoadModule")
}

package agenttest

import (
	"net/netip"
	"syscall"
	"testing"

	"rsagent/agent"
)

func addressTests() map[string]func(*testing.T, rig) {
	return map[string]func(*testing.T, rig){
		"add":                testAdd,
		"add is idempotent":  testAddAgain,
		"delete":             testDelete,
		"relabel":            testRelabel,
		"several at once":    testSeveral,
		"no such device":     testNoDevice,
		"label too long":     testLongLabel,
		"another prefix":     testAnotherPrefix,
		"on two devices":     testTwoDevices,
		"order":              testOrder,
		"rename first":       testRename,
		"survive going down": testDownKeeps,
	}
}

func add(dev, prefix, label string) agent.AddAddr {
	return agent.AddAddr{Device: dev, Prefix: netip.MustParsePrefix(prefix), Label: label}
}

func del(dev, prefix string) agent.DelAddr {
	return agent.DelAddr{Device: dev, Prefix: netip.MustParsePrefix(prefix)}
}

func testAdd(t *testing.T, r rig) {
	r.must(t, add("lo", "10.0.0.1/32", "lo:rs"), add("lo", "10.0.0.2/32", ""))
	r.hasAddrs(t, "lo", "10.0.0.1/32 lo:rs", "10.0.0.2/32 lo")
}

func testAddAgain(t *testing.T, r rig) {
	r.must(t, add("lo", "10.0.0.1/32", "lo:rs"))
	before := r.Dump()
	r.must(t, add("lo", "10.0.0.1/32", "lo:rs"), add("lo", "10.0.0.1/32", "lo:no"))
	r.same(t, before, "added again, with another label")
	if err := r.Run("ip addr add 10.0.0.1/32 dev lo"); err == nil {
		t.Error("ip added a duplicate")
	}
}

func testDelete(t *testing.T, r rig) {
	before := r.Dump()
	r.must(t, add("lo", "10.0.0.1/32", "lo:rs"), del("lo", "10.0.0.1/32"), del("lo", "10.0.0.1/32"))
	r.must(t, del("nosuch0", "10.0.0.1/32"))
	r.same(t, before, "added and deleted")
	Type(t, r, "ip addr add 10.0.0.1/24 dev lo")
	r.must(t, del("lo", "10.0.0.1/32"))
	r.hasAddrs(t, "lo", "10.0.0.1/24 lo")
}

func testRelabel(t *testing.T, r rig) {
	Type(t, r, "ip addr add 10.0.0.1/32 dev lo")
	r.must(t, agent.Relabel{Device: "lo", Prefix: netip.MustParsePrefix("10.0.0.1/32"), Label: "lo:rs"})
	r.hasAddrs(t, "lo", "10.0.0.1/32 lo:rs")
	r.must(t, agent.Relabel{Device: "lo", Prefix: netip.MustParsePrefix("10.0.0.2/32"), Label: "lo:rs"})
	r.hasAddrs(t, "lo", "10.0.0.1/32 lo:rs", "10.0.0.2/32 lo:rs")
}

// testSeveral checks that each action gets its own error.
func testSeveral(t *testing.T, r rig) {
	errs := r.Apply(t.Context(), []agent.Action{
		add("lo", "10.0.0.1/32", "lo:rs"), add("nosuch0", "10.0.0.2/32", ""), add("lo", "10.0.0.3/32", "lo:rs"),
	})
	if len(errs) != 3 || errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Fatalf("got errors %v, want one, for the second action", errs)
	}
	r.hasAddrs(t, "lo", "10.0.0.1/32 lo:rs", "10.0.0.3/32 lo:rs")
	var many []agent.Action
	a := netip.MustParseAddr("10.1.0.0")
	for range 300 {
		a = a.Next()
		many = append(many, agent.AddAddr{Device: "lo", Prefix: netip.PrefixFrom(a, 32), Label: "lo:rs"})
	}
	for _, err := range r.Apply(t.Context(), many) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := len(r.addrs(t, "lo")); got != 302 {
		t.Errorf("got %d addresses, want 302", got)
	}
}

func testNoDevice(t *testing.T, r rig) {
	r.fails(t, add("nosuch0", "10.0.0.1/32", "nosuch0:rs"), syscall.ENODEV)
	r.fails(t, agent.LinkUp{Device: "nosuch0"}, syscall.ENODEV)
	r.fails(t, agent.LinkDown{Device: "nosuch0"}, syscall.ENODEV)
}

func testLongLabel(t *testing.T, r rig) {
	r.must(t, add("lo", "10.0.0.1/32", "lo:456789012345"))
	r.fails(t, add("lo", "10.0.0.2/32", "lo:4567890123456"), syscall.ERANGE)
}

func testAnotherPrefix(t *testing.T, r rig) {
	r.must(t, add("lo", "10.0.0.1/32", "lo:rs"))
	Type(t, r, "ip addr add 10.0.0.1/24 dev lo")
	r.hasAddrs(t, "lo", "10.0.0.1/32 lo:rs", "10.0.0.1/24 lo")
	r.must(t, del("lo", "10.0.0.1/24"))
	r.hasAddrs(t, "lo", "10.0.0.1/32 lo:rs")
}

func testTwoDevices(t *testing.T, r rig) {
	Type(t, r, "ip link add dum0 type dummy", "ip addr add 10.0.0.1/32 dev dum0")
	r.must(t, add("lo", "10.0.0.1/32", "lo:rs"), del("dum0", "10.0.0.1/32"))
	r.hasAddrs(t, "lo", "10.0.0.1/32 lo:rs")
	r.hasAddrs(t, "dum0")
}

// testOrder checks that /32 addresses keep the order in which they were added,
// none being secondary to another, and come before secondary ones.
func testOrder(t *testing.T, r rig) {
	Type(t, r, "ip link add dum0 type dummy",
		"ip addr add 10.0.0.1/24 dev dum0; ip addr add 10.0.0.2/24 dev dum0; ip addr add 10.0.0.3/32 dev dum0; ip addr add 10.0.0.4/32 dev dum0")
	r.hasAddrs(t, "dum0", "10.0.0.1/24 dum0", "10.0.0.3/32 dum0", "10.0.0.4/32 dum0", "10.0.0.2/24 dum0")
	r.must(t, del("dum0", "10.0.0.3/32"))
	r.hasAddrs(t, "dum0", "10.0.0.1/24 dum0", "10.0.0.4/32 dum0", "10.0.0.2/24 dum0")
}

func testRename(t *testing.T, r rig) {
	r.with(t)
	r.must(t, add("tunl0", "10.0.0.1/32", "tunl0:rs"), add("tunl0", "10.0.0.2/32", "tunl0:rs"), add("tunl0", "10.0.0.3/32", ""),
		set("tunl0", "rp_filter", 7))
	Type(t, r, "ip link set dev tunl0 name cilium_tunl")
	r.hasAddrs(t, "cilium_tunl", "10.0.0.1/32 cilium_tunl", "10.0.0.2/32 cilium_tunl:rs", "10.0.0.3/32 cilium_tunl:3")
	r.hasValue(t, "cilium_tunl", "rp_filter", 7)
	if l := r.tunnel(t); l.Name != "cilium_tunl" {
		t.Errorf("tunnel is %s, want cilium_tunl", l.Name)
	}
	Type(t, r, "ip link set dev cilium_tunl name tunnel345678901")
	r.hasAddrs(t, "tunnel345678901", "10.0.0.1/32 tunnel345678901", "10.0.0.2/32 tunnel345678:rs", "10.0.0.3/32 tunnel3456789:3")
}

func testDownKeeps(t *testing.T, r rig) {
	r.with(t)
	r.must(t, agent.LinkUp{Device: "tunl0"}, add("tunl0", "10.0.0.1/32", "tunl0:rs"), set("tunl0", "rp_filter", 7))
	before := r.Dump()
	r.must(t, agent.LinkDown{Device: "tunl0"}, agent.LinkDown{Device: "tunl0"})
	r.hasAddrs(t, "tunl0", "10.0.0.1/32 tunl0:rs")
	r.must(t, agent.LinkUp{Device: "tunl0"}, agent.LinkUp{Device: "tunl0"})
	r.same(t, before, "down and up again")
}

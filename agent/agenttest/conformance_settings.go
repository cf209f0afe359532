package agenttest

import (
	"io/fs"
	"testing"

	"rsagent/agent"
	"rsagent/sysctl"
)

func settingTests() map[string]func(*testing.T, rig) {
	return map[string]func(*testing.T, rig){
		"write":                testWrite,
		"absent":               testWriteAbsent,
		"dotted device":        testDottedDevice,
		"default moves":        testDefaultMoves,
		"a write pins":         testWritePins,
		"pinned from birth":    testPinnedFromBirth,
		"an address pins":      testAddressPins,
		"forwarding of all":    testForwarding,
		"gone with its device": testSettingsGo,
	}
}

func set(scope, name string, value int) agent.SetSysctl {
	return agent.SetSysctl{Key: sysctl.Key{Scope: scope, Name: name}, Value: value}
}

func testWrite(t *testing.T, r rig) {
	for _, scope := range []string{"all", "default", "lo"} {
		for _, name := range sysctl.Names {
			r.must(t, set(scope, name, 1), set(scope, name, 2))
			r.hasValue(t, scope, name, 2)
			r.must(t, agent.RestoreSysctl{Key: sysctl.Key{Scope: scope, Name: name}, Value: 0})
			r.hasValue(t, scope, name, 0)
		}
	}
}

func testWriteAbsent(t *testing.T, r rig) {
	r.fails(t, set("nosuch0", sysctl.RPFilter, 1), fs.ErrNotExist)
	r.fails(t, set("all", "nosuch", 1), fs.ErrNotExist)
}

func testDottedDevice(t *testing.T, r rig) {
	Type(t, r, "ip link add dum0.100 type dummy")
	r.must(t, set("dum0.100", sysctl.ARPIgnore, 2))
	r.hasValue(t, "dum0.100", sysctl.ARPIgnore, 2)
	Type(t, r, "sysctl -w net.ipv4.conf.dum0/100.arp_ignore=3")
	r.hasValue(t, "dum0.100", sysctl.ARPIgnore, 3)
}

func testDefaultMoves(t *testing.T, r rig) {
	r.unwritten(t)
	for i, name := range sysctl.Names {
		r.must(t, set("default", name, i+1))
		r.hasValue(t, "lo", name, i+1)
		r.hasValue(t, "dum0", name, i+1)
	}
}

func testWritePins(t *testing.T, r rig) {
	r.unwritten(t)
	now := r.look(t).Sysctls[sysctl.Key{Scope: "dum0", Name: sysctl.RPFilter}]
	r.must(t, set("dum0", sysctl.RPFilter, now), set("default", sysctl.RPFilter, now+1))
	r.hasValue(t, "dum0", sysctl.RPFilter, now)
	r.hasValue(t, "lo", sysctl.RPFilter, now+1)
}

func testPinnedFromBirth(t *testing.T, r rig) {
	r.must(t, set("default", sysctl.RPFilter, 1))
	Type(t, r, "ip link add dum0 type dummy")
	r.hasValue(t, "dum0", sysctl.RPFilter, 1)
	r.must(t, set("default", sysctl.RPFilter, 2))
	r.hasValue(t, "dum0", sysctl.RPFilter, 1)
}

func testAddressPins(t *testing.T, r rig) {
	r.unwritten(t)
	now := r.look(t).Sysctls[sysctl.Key{Scope: "dum0", Name: sysctl.RPFilter}]
	Type(t, r, "ip addr add 10.0.0.1/32 dev dum0; ip addr del 10.0.0.1/32 dev dum0")
	r.must(t, set("default", sysctl.RPFilter, now+1))
	r.hasValue(t, "dum0", sysctl.RPFilter, now)
	r.hasValue(t, "lo", sysctl.RPFilter, now+1)
}

// unwritten makes dum0, or skips the test where default was written in the
// first namespace, whose marks a new one takes over.
func (r rig) unwritten(t *testing.T) {
	t.Helper()
	Type(t, r, "ip link add dum0 type dummy")
	key := sysctl.Key{Scope: "default", Name: "arp_ignore"}
	old := r.look(t).Sysctls[key]
	r.must(t, agent.SetSysctl{Key: key, Value: old + 1})
	moved := r.look(t).Sysctls[sysctl.Key{Scope: "dum0", Name: "arp_ignore"}] == old+1
	r.must(t, agent.SetSysctl{Key: key, Value: old})
	if !moved {
		t.Skip("conf/default was written in the first namespace")
	}
}

func testForwarding(t *testing.T, r rig) {
	Type(t, r, "sysctl -w net.ipv4.conf.all.forwarding=1")
	for _, scope := range []string{"all", "default", "lo"} {
		r.hasValue(t, scope, forwarding, 1)
	}
	Type(t, r, "sysctl -w net.ipv4.conf.default.forwarding=0")
	r.hasValue(t, "lo", forwarding, 1)
}

func testSettingsGo(t *testing.T, r rig) {
	before := r.Dump()
	Type(t, r, "ip link add dum0 type dummy", "sysctl -w net.ipv4.conf.dum0.rp_filter=1", "ip link del dev dum0")
	r.same(t, before, "a device came and went")
	Type(t, r, "ip link add dum0 type dummy")
	r.hasValue(t, "dum0", sysctl.RPFilter, r.look(t).Sysctls[sysctl.Key{Scope: "default", Name: sysctl.RPFilter}])
}

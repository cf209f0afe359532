package agent_test

import (
	"strings"
	"testing"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// A VIP that was on the tunnel before us goes back to what it was, whenever it
// joined the config; one that we added does not, whatever became of it.
func TestTeardownGivesBackLateVIPs(t *testing.T) {
	start := "ip addr add 172.25.84.100/32 dev tunl0; ip addr add 172.25.84.101/32 dev tunl0 label tunl0:web"
	both := configs()["everything"]
	reported := both
	reported.Policy.ReportAddresses = true
	for name, first := range map[string]agent.Desired{"one first": configs()["plain"], "reported first": reported} {
		f, s := host(t, start), &agenttest.MemStore{}
		before := f.Dump()
		pass(t, f, s, first)
		pass(t, f, s, both)
		agenttest.Type(t, f, "ip addr flush dev tunl0; ip addr add 172.25.84.101/32 dev tunl0")
		pass(t, f, s, both)
		undo(t, f, s)
		same(t, before, f.Dump(), name+": after teardown")
	}
	f, s := host(t, "modprobe ipip"), &agenttest.MemStore{}
	before := f.Dump()
	pass(t, f, s, both)
	agenttest.Type(t, f, "ip addr flush dev tunl0; ip addr add 172.25.84.101/32 dev tunl0")
	pass(t, f, s, both)
	undo(t, f, s)
	same(t, before, f.Dump(), "added by us: after teardown")
}

// A VIP that left the config, and comes back by another hand, is another's.
func TestTeardownGivesBackReturnedVIPs(t *testing.T) {
	f, s := host(t, "modprobe ipip"), &agenttest.MemStore{}
	pass(t, f, s, configs()["everything"])
	pass(t, f, s, configs()["plain"])
	agenttest.Type(t, f, "ip addr add 172.25.84.101/32 dev tunl0")
	pass(t, f, s, configs()["everything"])
	undo(t, f, s)
	if got := f.Dump(); !strings.Contains(got, "inet 172.25.84.101/32 tunl0\n") || strings.Contains(got, "172.25.84.100") {
		t.Errorf("after teardown:\n%s", got)
	}
}

// A module that will not load for once leaves the record as it was.
func TestFailedModprobeForgetsNothing(t *testing.T) {
	f, s := host(t, "modprobe ipip; ip link set dev tunl0 up"), &agenttest.MemStore{}
	before := f.Dump()
	pass(t, f, s, configs()["plain"])
	agenttest.Type(t, f, "modprobe -r ipip")
	f.Fail("modprobe ipip", errInjected)
	if _, err := agent.Pass(t.Context(), f, s, configs()["plain"]); err != nil {
		t.Fatal(err)
	}
	f.Fail("modprobe ipip", nil)
	pass(t, f, s, configs()["plain"])
	undo(t, f, s)
	same(t, before, f.Dump(), "after teardown")
}

// A NIC that takes the name of another has a past of its own, and the other,
// where it is still there, keeps its own as well.
func TestTeardownAfterNICReplaced(t *testing.T) {
	nic := "; ip link add eth1 type veth peer name wire1; ip link set dev eth1 up; sysctl -w net.ipv4.conf.eth1.arp_ignore="
	for name, gone := range map[string]string{
		"replaced": "ip link del dev eth1", "renamed": "ip link set dev eth1 down; ip link set dev eth1 name lan1; ip link set dev wire1 name wire2",
	} {
		f, s := host(t, "modprobe ipip"+nic+"8"), &agenttest.MemStore{}
		pass(t, f, s, configs()["plain"])
		agenttest.Type(t, f, gone+nic+"3")
		pass(t, f, s, configs()["plain"])
		undo(t, f, s)
		same(t, host(t, "modprobe ipip"+nic+"8; "+gone+nic+"3").Dump(), f.Dump(), name+": after teardown")
	}
}

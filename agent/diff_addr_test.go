package agent_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// addVIP is the repair of a VIP that is gone.
const addVIP = "ip addr add 172.25.84.100/32 dev tunl0 label tunl0:rs"

// drifts are scripts and what is found after them. Findings with a colon have a
// fix.
var drifts = []struct {
	name, script string
	change       func(*agent.Desired)
	want         string
}{
	{"nothing", "", nil, ""},
	{"VIP gone", "ip addr del 172.25.84.100/32 dev tunl0", nil, "critical addr/tunl0/172.25.84.100: " + addVIP},
	{"label lost", "ip addr del 172.25.84.100/32 dev tunl0; ip addr add 172.25.84.100/32 dev tunl0", nil,
		"warning addr/tunl0/172.25.84.100: ip addr del 172.25.84.100/32 dev tunl0; " + addVIP},
	{"a second prefix", "ip addr add 172.25.84.100/24 dev tunl0", nil, "warning addr/tunl0/172.25.84.100/24"},
	{"the wrong prefix", "ip addr del 172.25.84.100/32 dev tunl0; ip addr add 172.25.84.100/24 dev tunl0", nil,
		"critical addr/tunl0/172.25.84.100: " + addVIP + "\nwarning addr/tunl0/172.25.84.100/24"},
	{"on eth0 too", "ip addr add 172.25.84.100/24 dev eth0", nil, "critical addr/eth0/172.25.84.100"},
	{"on eth0 by our label", "ip addr add 172.25.84.100/32 dev eth0 label eth0:rs", nil,
		"critical addr/eth0/172.25.84.100: ip addr del 172.25.84.100/32 dev eth0"},
	{"on eth0 with two prefixes", "ip addr add 172.25.84.100/24 dev eth0; ip addr add 172.25.84.100/32 dev eth0", nil,
		"critical addr/eth0/172.25.84.100\ncritical addr/eth0/172.25.84.100/24"},
	{"on eth0, to be removed", "ip addr add 172.25.84.100/24 dev eth0", removeStrays,
		"critical addr/eth0/172.25.84.100: ip addr del 172.25.84.100/24 dev eth0"},
	{"on eth0 only", "ip addr del 172.25.84.100/32 dev tunl0; ip addr add 172.25.84.100/32 dev eth0", nil,
		"critical addr/tunl0/172.25.84.100\ncritical addr/eth0/172.25.84.100"},
	{"on eth0 with company", "ip addr add 172.25.80.100/24 dev eth0; ip addr add 172.25.80.7/24 dev eth0", wantOther,
		"critical addr/tunl0/172.25.80.100: ip addr add 172.25.80.100/32 dev tunl0 label tunl0:rs\ncritical addr/eth0/172.25.80.100"},
	{"on lo too", "ip addr add 172.25.84.100/32 dev lo", nil, "warning addr/lo/172.25.84.100"},
	{"on a dummy too", "ip link add dum0 type dummy; ip addr add 172.25.84.100/32 dev dum0", nil, "critical addr/dum0/172.25.84.100"},
	{"a stranger on the tunnel", "ip addr add 10.0.0.1/32 dev tunl0", nil, "warning addr/tunl0/10.0.0.1"},
	{"a stranger with two prefixes", "ip addr add 10.0.0.1/32 dev tunl0; ip addr add 10.0.0.1/24 dev tunl0", nil,
		"warning addr/tunl0/10.0.0.1\nwarning addr/tunl0/10.0.0.1/24"},
	{"a placeholder", "ip addr add 127.0.0.42/32 dev tunl0", nil, ""},
	{"left the config", "ip addr add 10.0.0.1/32 dev tunl0 label tunl0:rs", nil, "warning addr/tunl0/10.0.0.1: ip addr del 10.0.0.1/32 dev tunl0"},
	{"left the config, with company", "ip addr add 10.0.0.1/24 dev tunl0 label tunl0:rs; ip addr add 10.0.0.2/24 dev tunl0", nil,
		"warning addr/tunl0/10.0.0.1\nwarning addr/tunl0/10.0.0.2"},
	{"tunnel down", "ip link set dev tunl0 down", nil, "critical link/tunl0/up: ip link set dev tunl0 up"},
	{"tunnel renamed", "ip link set dev tunl0 down; ip link set dev tunl0 name cilium_tunl; ip link set dev cilium_tunl up", nil,
		"warning addr/cilium_tunl/172.25.84.100: ip addr del 172.25.84.100/32 dev cilium_tunl; ip addr add 172.25.84.100/32 dev cilium_tunl label cilium_tunl:rs"},
	{"module gone", "modprobe -r ipip", nil, "critical module/ipip: modprobe ipip\ncritical addr/tunl0/172.25.84.100: " + addVIP},
	{"module gone, all strict", "modprobe -r ipip; sysctl -w net.ipv4.conf.all.rp_filter=1", nil,
		"critical module/ipip: modprobe ipip\ncritical sysctl/net.ipv4.conf.all.rp_filter: sysctl -w net.ipv4.conf.all.rp_filter=0\ncritical addr/tunl0/172.25.84.100: " + addVIP},
	{"tunnel missing here", "sysctl -w net.core.fb_tunnels_only_for_init_net=1; modprobe -r ipip; modprobe ipip", nil,
		"critical link/tunl0: ip link add tunl0 type ipip\ncritical addr/tunl0/172.25.84.100: " + addVIP},
	{"the wrong kind", "modprobe -r ipip; ip link add tunl0 type dummy", nil, "critical link/tunl0\ncritical addr/tunl0/172.25.84.100"},
	{"the wrong kind with the VIP", "modprobe -r ipip; ip link add tunl0 type dummy; ip addr add 172.25.84.100/32 dev tunl0", nil,
		"critical link/tunl0\ncritical addr/tunl0/172.25.84.100\ncritical addr/tunl0/172.25.84.100/32"},
	{"the wrong kind under the kernel's name", "modprobe -r ipip; ip link add tunl0 type dummy",
		func(d *agent.Desired) { d.Device = "rstun0" }, "critical link/tunl0\ncritical addr/tunl0/172.25.84.100"},
	{"shadow: external", "ip link add ipip1 type ipip external; ip link set dev ipip1 up", nil, "critical shadow/ipip1"},
	{"shadow: down", "ip link add ipip1 type ipip external", nil, ""},
	{"shadow: from anybody to the RIP", "ip link add ipip1 type ipip local 172.25.84.2; ip link set dev ipip1 up", nil, "critical shadow/ipip1"},
	{"shadow: to an address that is not ours", "ip link add ipip1 type ipip local 10.0.0.1; ip link set dev ipip1 up", nil, ""},
	{"shadow: from somebody", "ip link add ipip1 type ipip remote 172.25.84.4; ip link set dev ipip1 up", nil, "warning shadow/ipip1"},
	{"shadow: from the director", "ip link add ipip1 type ipip remote 172.25.84.4; ip link set dev ipip1 up", directors("172.25.84.4"), "critical shadow/ipip1"},
	{"shadow: from no director", "ip link add ipip1 type ipip remote 172.25.84.5; ip link set dev ipip1 up", directors("172.25.84.4"), ""},
	{"gateway is a director", "", directors("172.25.84.1", "172.25.84.4"), "warning gateway"},
	{"gateway is a VIP", "ip route del default; ip route add default via 172.25.84.100 dev eth0", nil, "warning gateway"},
	{"anyone", "", func(d *agent.Desired) { d.AnySender = true }, "warning senders"},
}

// TestDrift tampers with a host in service and lists what is found.
func TestDrift(t *testing.T) {
	for _, row := range drifts {
		t.Run(row.name, func(t *testing.T) {
			want := configs()["plain"]
			f, s := inService(t, want)
			agenttest.Type(t, f, row.script)
			if row.change != nil {
				row.change(&want)
			}
			r, _ := agent.Look(t.Context(), f, s, want)
			same(t, row.want, strings.Join(drift(r.After), "\n"), "found")
		})
	}
}

func removeStrays(d *agent.Desired) { d.RemoveStrays = true }

func directors(list ...string) func(*agent.Desired) {
	return func(d *agent.Desired) { d.Directors = vips(list...) }
}

// wantOther asks for a VIP whose removal from eth0 would take another address
// of its network along.
func wantOther(d *agent.Desired) {
	d.VIPs, d.RemoveStrays = append(vips("172.25.80.100"), d.VIPs...), true
}

// A VIP that is this host's own address is an error of the config: it stays
// where it is, and nothing is done for its sake.
func TestVIPIsRIP(t *testing.T) {
	want := agent.Desired{VIPs: vips("172.25.84.2"), RemoveStrays: true}.Normal()
	f := host(t)
	before := f.Dump()
	r := pass(t, f, &agenttest.MemStore{}, want)
	same(t, before, f.Dump(), "after a pass for a VIP that is the RIP")
	same(t, "critical module/ipip\ncritical sysctl/net.ipv4.conf.all.arp_ignore\ncritical sysctl/net.ipv4.conf.all.arp_announce\n"+
		"critical addr/tunl0/172.25.84.2\ncritical addr/eth0/172.25.84.2\nwarning source/172.25.84.2", strings.Join(drift(r.After), "\n"), "found")
	conflicts := agent.Conflicts(want, observe(t, f, want))
	if len(conflicts) != 1 || !strings.Contains(conflicts[0], "172.25.84.2 is this host's own address on eth0") {
		t.Errorf("conflicts %q", conflicts)
	}
	if c := agent.Conflicts(configs()["plain"], observe(t, f, want)); len(c) > 0 {
		t.Errorf("conflicts without any: %q", c)
	}
}

// What is missing on a host that forwards is worse, and the finding says why.
func TestAbsenceOnARouter(t *testing.T) {
	f, s := inService(t, configs()["plain"])
	agenttest.Type(t, f, "sysctl -w net.ipv4.conf.all.forwarding=1; ip addr del 172.25.84.100/32 dev tunl0")
	r, _ := agent.Look(t.Context(), f, s, configs()["plain"])
	if why := byID(t, r.After)["addr/tunl0/172.25.84.100"].Why; !strings.Contains(why, "loop between here and the director") {
		t.Errorf("why %q", why)
	}
}

// The verdict is the kernel's, and is asked only when nothing else explains.
func TestVerdictFindings(t *testing.T) {
	want := configs()["plain"]
	vip := want.VIPs[0]
	f, _ := inService(t, want)
	base := observe(t, f, want)
	rows := []struct {
		verdict agent.Verdict
		want    string
	}{
		{agent.Verdict{Local: true}, "ok local"},
		{agent.Verdict{Local: true, OnLinkOnly: true, Text: "rejected"}, "critical rejected"}, // loose filtering is no reason here
		{agent.Verdict{Text: "forwarded via 172.25.84.1"}, "critical forwarded via 172.25.84.1"},
	}
	for _, row := range rows {
		base.Verdicts[vip] = row.verdict
		found := byID(t, agent.Diff(want, base))["route/172.25.84.100"]
		same(t, row.want, found.Severity.String()+" "+found.Got, "verdict")
	}
	base.Source = vip
	if found := byID(t, agent.Diff(want, base))["source/172.25.84.100"]; found.Severity != agent.Warning {
		t.Errorf("the VIP is the source of our own traffic: %+v, want a warning", found)
	}
	agenttest.Type(t, f, "sysctl -w net.ipv4.conf.all.rp_filter=1")
	if found, ok := byID(t, agent.Diff(want, observe(t, f, want)))["route/172.25.84.100"]; ok {
		t.Errorf("rp_filter explains it, and yet: %+v", found)
	}
}

// Loose filtering without a default route keeps far clients out.
func TestLooseWithoutDefaultRoute(t *testing.T) {
	want := configs()["three loose"]
	f, s := inService(t, want)
	agenttest.Type(t, f, "ip route del default")
	r, _ := agent.Look(t.Context(), f, s, want)
	expected := []string{"warning route/172.25.84.100", "warning route/172.25.84.101", "warning route/172.25.84.102"}
	if diff := cmp.Diff(expected, drift(r.After)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

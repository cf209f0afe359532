package agent_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// Each drift of an address that came or went is among what is said to have
// come of it, by its ID and what it got.
func TestAddrRecordsNameWhatIsFound(t *testing.T) {
	t.Parallel()
	const vip, eth = "addr/tunl0/172.25.84.100", "addr/eth0/172.25.84.100"
	for _, row := range []struct{ script, said string }{
		{"ip addr del 172.25.84.100/32 dev tunl0", vip + " absent"},
		{"ip addr del 172.25.84.100/32 dev tunl0; ip addr add 172.25.84.100/32 dev tunl0", vip + " absent, " + vip + " label tunl0, " + vip + " present"},
		{"ip addr add 172.25.84.100/24 dev tunl0", vip + "/24 present as 172.25.84.100/24"},
		{"ip addr add 172.25.84.100/24 dev eth0", eth + " present as 172.25.84.100/24"},
		{"ip addr add 172.25.84.100/32 dev eth0 label eth0:rs", eth + " present as 172.25.84.100/32"},
		{"ip addr add 172.25.84.100/32 dev lo", "addr/lo/172.25.84.100 present as 172.25.84.100/32"},
		{"ip addr add 10.0.0.1/32 dev tunl0", "addr/tunl0/10.0.0.1 label tunl0, addr/tunl0/10.0.0.1 present"},
	} {
		want := configs()["plain"]
		f, s := inService(t, want)
		before := observe(t, f, want)
		agenttest.Type(t, f, row.script)
		var said []string
		for _, trace := range changes(before, observe(t, f, want)) {
			said = append(said, trace.ID()+" "+trace.New)
		}
		same(t, row.said, strings.Join(said, ", "), row.script)
		r, _ := agent.Look(t.Context(), f, s, want)
		for _, f := range r.After {
			if f.Severity != agent.OK && strings.HasPrefix(f.ID(), "addr/") && !slices.Contains(said, f.ID()+" "+f.Got) {
				t.Errorf("%s: found %s %s, said %q", row.script, f.ID(), f.Got, said)
			}
		}
	}
}

// One that goes explains no absence of another: that with another prefix
// stays. One that comes with our label is as it should be.
func TestAddrRecordsSayNoMore(t *testing.T) {
	t.Parallel()
	want := configs()["plain"]
	for _, script := range []string{
		"ip addr add 172.25.84.100/24 dev tunl0", "ip addr add 172.25.84.100/24 dev eth0", "ip addr del 172.25.84.100/32 dev tunl0",
	} {
		f, _ := inService(t, want)
		before := observe(t, f, want)
		agenttest.Type(t, f, script)
		same(t, "[]", fmt.Sprint(changes(observe(t, f, want), before)), "undone: "+script)
	}
}

// changes returns the traces of what an announcement would tell.
func changes(before, after agent.Observed) []agent.AuditRecord {
	var out []agent.AuditRecord
	for _, pair := range []struct {
		a, b agent.Observed
		came bool
	}{{before, after, false}, {after, before, true}} {
		for _, a := range pair.a.Addrs {
			if slices.Contains(pair.b.Addrs, a) {
				continue
			}
			tunnel, _ := pair.a.Tunnel()
			for _, l := range pair.a.Links {
				if l.Index == a.Index {
					out = append(out, agent.AddrRecords(l.Name, l.Index == tunnel.Index, a, pair.came)...)
				}
			}
		}
	}
	return out
}

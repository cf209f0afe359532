package agenttest

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/sysctl"
)

func focusTests() map[string]func(*testing.T, rig) {
	return map[string]func(*testing.T, rig){"follows": testFocusFollows, "names": testHintsName}
}

// testFocusFollows tampers with a host that is watched and holds every focused
// reading to the whole one of the same moment.
func testFocusFollows(t *testing.T, r rig) {
	r.with(t)
	Type(t, r, ClassicNetwork, "ip link set dev tunl0 up")
	hints := r.Watch(t.Context())
	// What a namespace that is going away still holds is in the next one's way.
	defer func() { _ = r.Run("modprobe -r ipip"); _ = r.Run("ip link del dev tunl0") }()
	w := Walk{Rand: rand.New(rand.NewPCG(7, 7)), VIPs: []string{"172.25.84.100", "172.25.84.101", "172.25.84.102"}}
	var log []string
	want := agent.Desired{VIPs: addrs(w.VIPs...), RPFilter: 2}.Normal()
	for range 120 {
		step := w.Step()
		log = append(log, step)
		_ = r.Run(step)
		focused := want.Focus(want.VIPs[:w.Rand.IntN(4)])
		narrow := r.reading(t, focused) // before the whole one, which would set it right
		whole := r.reading(t, want).Focus(focused)
		if diff := cmp.Diff(Essence(announced(focused, whole)), Essence(announced(focused, narrow))); diff != "" {
			t.Fatalf("focus %v after %q (-whole +focused):\n%s", focused.VIPs, log, diff)
		}
		select { // nobody has to take the hints
		case <-hints:
		default:
		}
	}
}

func (r rig) reading(t *testing.T, want agent.Desired) agent.Observed {
	t.Helper()
	got, err := r.Observe(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// announced is what a diff makes of a reading, but for arp_*: their changes are
// not announced, and a focused reading may have them from a moment ago.
func announced(want agent.Desired, got agent.Observed) []agent.Finding {
	return slices.DeleteFunc(agent.Diff(want, got), func(f agent.Finding) bool { return strings.Contains(f.ID(), ".arp_") })
}

// testHintsName holds hints to what they are about.
func testHintsName(t *testing.T, r rig) {
	r.with(t)
	Type(t, r, ClassicNetwork, "ip link set dev tunl0 up")
	_ = r.reading(t, desired())
	hints := r.Watch(t.Context())
	drain(hints)
	_ = r.reading(t, desired()) // names of devices come from readings
	for _, s := range []struct {
		script string
		want   agent.Hint
	}{
		{"ip addr add 172.25.84.100/32 dev tunl0", agent.Hint{Addrs: addrs("172.25.84.100")}},
		{"ip addr del 172.25.84.100/32 dev tunl0", agent.Hint{Addrs: addrs("172.25.84.100")}},
		{"sysctl -w net.ipv4.conf.tunl0.rp_filter=2", agent.Hint{Keys: []sysctl.Key{{Scope: "tunl0", Name: sysctl.RPFilter}}}},
		{"sysctl -w net.ipv4.conf.all.rp_filter=2", agent.Hint{Keys: []sysctl.Key{{Scope: sysctl.All, Name: sysctl.RPFilter}}}},
		{"ip link set dev tunl0 down", agent.Hint{Links: []string{"tunl0"}}},
	} {
		drain(hints)
		Type(t, r, s.script)
		var got agent.Hint
		for hinted(hints, false, &got) {
		}
		got.Audit = nil
		if diff := cmp.Diff(s.want, got, cmp.Comparer(sameAddr)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.script, diff)
		}
	}
}

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, addr(s))
	}
	return out
}

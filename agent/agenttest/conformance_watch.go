package agenttest

import (
	"context"
	"testing"
	"time"

	"rsagent/agent"
)

func watchTests() map[string]func(*testing.T, rig) {
	return map[string]func(*testing.T, rig){"hints": testHints, "ends": testWatchEnds}
}

// soon is how long a real kernel may take to announce a change, and quiet how
// long nothing may come before it counts as nothing.
const (
	soon  = 5 * time.Second
	quiet = 100 * time.Millisecond
)

func testHints(t *testing.T, r rig) {
	hints := r.Watch(t.Context())
	steps := []struct {
		script string
		want   bool
	}{
		{"ip link add dum0 type dummy", true},
		{"ip link set dev dum0 up", true},
		{"ip addr add 10.0.0.1/32 dev dum0", true},
		{"ip addr del 10.0.0.1/32 dev dum0", true},
		{"sysctl -w net.ipv4.conf.dum0.rp_filter=1", true},
		{"sysctl -w net.ipv4.conf.dum0.rp_filter=1", false},
		{"sysctl -w net.ipv4.conf.all.rp_filter=2", true},
		{"sysctl -w net.ipv4.conf.all.arp_ignore=2", false},
		{"sysctl -w net.ipv4.conf.dum0.arp_announce=2", false},
		{"ip link set dev dum0 down", true},
		{"ip link del dev dum0", true},
	}
	for _, s := range steps {
		got := !s.want
		// A hint may be about something earlier, which the kernel announces
		// late (link state): what is never announced is silent at some time.
		for try := 0; try < 5 && got != s.want; try++ {
			drain(hints)
			Type(t, r, s.script)
			if got = hinted(hints, s.want, nil); s.want {
				break
			}
		}
		if got != s.want {
			t.Errorf("%s: hint %v, want %v", s.script, got, s.want)
		}
	}
}

// hinted waits for a hint, and adds it to all if that is not nil.
func hinted(hints <-chan agent.Hint, expected bool, all *agent.Hint) bool {
	wait := quiet
	if expected {
		wait = soon
	}
	select {
	case h := <-hints:
		if all != nil {
			*all = all.Merge(h)
		}
		return true
	case <-time.After(wait):
		return false
	}
}

// drain takes hints until none has come for a while.
func drain(hints <-chan agent.Hint) {
	for hinted(hints, false, nil) {
	}
}

func testWatchEnds(t *testing.T, r rig) {
	ctx, cancel := context.WithCancel(t.Context())
	hints := r.Watch(ctx)
	cancel()
	deadline := time.After(soon)
	for {
		select {
		case _, open := <-hints:
			if !open {
				return
			}
		case <-deadline:
			t.Fatal("the channel is still open")
		}
	}
}

package linux

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// A record of the first version that was released is read, and a teardown after
// the upgrade gives back what that version found.
func TestTeardownAfterUpgrade(t *testing.T) {
	const found = "ip addr add 172.25.84.100/32 dev tunl0; sysctl -w net.ipv4.conf.all.rp_filter=1; sysctl -w net.ipv4.conf.tunl0.rp_filter=2;" +
		"sysctl -w net.ipv4.conf.eth0.arp_ignore=3"
	const applied = "ip addr del 172.25.84.100/32 dev tunl0; ip addr add 172.25.84.100/32 dev tunl0 label tunl0:rs; ip addr add 172.25.84.101/32 dev tunl0 label tunl0:rs;" +
		"sysctl -w net.ipv4.conf.all.arp_ignore=1; sysctl -w net.ipv4.conf.all.arp_announce=2; sysctl -w net.ipv4.conf.all.rp_filter=0;" +
		"sysctl -w net.ipv4.conf.tunl0.arp_ignore=1; sysctl -w net.ipv4.conf.tunl0.arp_announce=2; sysctl -w net.ipv4.conf.tunl0.rp_filter=0;" +
		"sysctl -w net.ipv4.conf.eth0.arp_ignore=1; ip link set dev tunl0 up"
	// VIP 101 has lost its label: after the upgrade that is still drift.
	const drifted = "ip addr del 172.25.84.101/32 dev tunl0; ip addr add 172.25.84.101/32 dev tunl0"
	for name, since := range map[string]string{"at once": "", "after drift": drifted} {
		before, f, s := agenttest.NewRealServer(), agenttest.NewRealServer(), FileStore{Dir: t.TempDir()}
		agenttest.Type(t, before, found)
		agenttest.Type(t, f, found, applied)
		writeGolden(t, s)
		want := agent.Desired{VIPs: []netip.Addr{netip.MustParseAddr("172.25.84.100"), netip.MustParseAddr("172.25.84.101")}}.Normal()
		if since != "" {
			agenttest.Type(t, f, since)
			r, err := agent.Pass(t.Context(), f, s, want)
			if err != nil || r.State() != agent.OK {
				t.Fatalf("%v, %+v", err, agent.NotOK(r.After))
			}
		}
		left, done := teardown(t, f, s)
		if !done || left != "" || f.Dump() != before.Dump() {
			t.Errorf("%s: done %v, said %q, want\n%s\ngot\n%s", name, done, left, before.Dump(), f.Dump())
		}
	}
}

// writeGolden writes the record of commit 745e7bc as one of here and now.
func writeGolden(t *testing.T, s FileStore) {
	t.Helper()
	content, err := os.ReadFile("testdata/baseline-745e7bc.json")
	if err != nil {
		t.Fatal(err)
	}
	var record map[string]any
	if err := json.Unmarshal(content, &record); err != nil {
		t.Fatal(err)
	}
	boot, netns, err := namespace()
	if err != nil {
		t.Fatal(err)
	}
	record["boot"], record["netns"] = boot, netns
	content, err = json.Marshal(record)
	if err := errors.Join(err, os.WriteFile(s.path(), content, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func teardown(t *testing.T, k agent.Kernel, s FileStore) (leftovers string, done bool) {
	t.Helper()
	base, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	steps, got, err := agent.RunTeardown(t.Context(), k, base, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if step.Err != nil {
			t.Errorf("%s: %v", step.Action, step.Err)
		}
	}
	return strings.Join(agent.Leftovers(base, got, len(steps) > 0), "\n"), agent.TornDown(base, got, true)
}

// A record that was damaged is known to be for as long as there is one.
func TestStoreRemembersDamage(t *testing.T) {
	s := FileStore{Dir: t.TempDir(), Damaged: func(string, error) {}}
	if err := os.WriteFile(s.path(), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if base, err := s.Load(); err != nil || !base.Lost {
			t.Errorf("%+v, %v", base, err)
		}
	}
	f := agenttest.NewRealServer()
	if _, err := agent.Pass(t.Context(), f, s, agent.Desired{VIPs: []netip.Addr{netip.MustParseAddr("172.25.84.100")}}.Normal()); err != nil {
		t.Fatal(err)
	}
	if left, done := teardown(t, f, s); !done || !strings.Contains(left, "was damaged") {
		t.Errorf("done %v, said %q", done, left)
	}
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	if base, err := s.Load(); err != nil || base.Lost {
		t.Errorf("torn down: %+v, %v", base, err)
	}
}

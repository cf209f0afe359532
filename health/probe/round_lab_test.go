//go:build lab

package probe_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/linux"
	"rsagent/health/probe"
)

// Without a device that handles it the kernel has two ways to refuse protocol 4: rmmod leaves tunnel4 behind, which
// then says "port unreachable".
func TestProbeKnowsTheModule(t *testing.T) {
	ctx, n := newNetwork(t)
	for _, row := range []struct{ remove, evidence string }{
		{"rmmod ipip", "port unreachable"},
		{"modprobe ipip; modprobe -r ipip; rmmod tunnel4 ip_tunnel 2>/dev/null || true", "IpInUnknownProtos +3"},
	} {
		sh(ctx, t, n.RS1, row.remove)
		for _, directors := range [][]netip.Addr{{labDirector}, nil} {
			results := round(ctx, t, n.RS1, probe.Job{Targets: []probe.Target{labWeb}, Directors: directors})
			t.Logf("%s\n%s", row.remove, show(results))
			if r := results[0]; r.Outcome != probe.Fail || r.Cause != probe.NoModule || !strings.Contains(r.Why, row.evidence) {
				t.Errorf("%s: got %s %q %q, want %q", row.remove, r.Outcome, r.Cause, r.Why, row.evidence)
			}
		}
	}
}

func TestProbeManyVIPs(t *testing.T) {
	ctx, n := newNetwork(t)
	if err := n.RS1.Serve("rs1"); err != nil {
		t.Fatal(err)
	}
	var job probe.Job
	var batch strings.Builder
	addr := netip.MustParseAddr("100.64.0.1")
	for i := range 1000 {
		if i != 77 {
			fmt.Fprintf(&batch, "addr add %s/32 dev tunl0\n", addr)
		}
		job.Targets = append(job.Targets, probe.Target{VIP: addr, Port: 80})
		addr = addr.Next()
	}
	job.Directors = []netip.Addr{labDirector}
	cmd := n.RS1.Command(ctx, "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(batch.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ip -batch: %v %s", err, out)
	}
	for _, count := range []int{77, 200, 1000} {
		few := job
		few.Targets = job.Targets[:count]
		start := time.Now()
		results := round(ctx, t, n.RS1, few)
		t.Logf("%d VIPs: %v", count, time.Since(start).Round(time.Millisecond))
		for i, r := range results {
			want, cause := probe.Pass, probe.Cause("")
			if i == 77 {
				want, cause = probe.Fail, probe.VIPMissing
			}
			if r.Outcome != want || r.Cause != cause {
				t.Fatalf("%s: got %s %q: %s", r.Target, r.Outcome, r.Cause, r.Why)
			}
		}
	}
	sh(ctx, t, n.RS1, "ip link set tunl0 down")
	start := time.Now()
	for _, r := range round(ctx, t, n.RS1, job) {
		if r.Cause != probe.TunnelDown {
			t.Fatalf("%s: got %s %q: %s", r.Target, r.Outcome, r.Cause, r.Why)
		}
	}
	t.Logf("%d VIPs, tunnel down: %v", len(job.Targets), time.Since(start).Round(time.Millisecond))
}

// A service that does not accept takes no more than its queue holds, and says nothing to the rest.
func TestProbeSeesAFullQueue(t *testing.T) {
	ctx, n := newNetwork(t)
	d, err := n.RS1.Start(n.RS1.Command(ctx, "perl", "-MSocket", "-e",
		`socket(S,PF_INET,SOCK_STREAM,0); setsockopt(S,SOL_SOCKET,SO_REUSEADDR,1); bind(S,sockaddr_in(80,INADDR_ANY)) or die; listen(S,0); $|=1; print "up\n"; sleep 600`))
	if err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(d.Output(), "up") && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	for range 2 {
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		c, err := n.RS1.Dial(short, "tcp", "172.25.84.2:80")
		cancel()
		if err != nil {
			break
		}
		defer c.Close()
	}
	results := round(ctx, t, n.RS1, probe.Job{Targets: []probe.Target{labWeb}, Directors: []netip.Addr{labDirector}})
	t.Logf("\n%s", show(results))
	if r := results[0]; r.Outcome != probe.Fail || r.Cause != probe.Backlog {
		t.Errorf("got %s %q", r.Outcome, r.Cause)
	}
}

// Whatever is wrong with it, the core is not led to findings by the device.
func TestProbeDeviceIsNoDrift(t *testing.T) {
	ctx, n := newNetwork(t)
	want := agent.Desired{VIPs: []netip.Addr{labVIP}, Directors: []netip.Addr{labDirector}}.Normal()
	err := n.RS1.Do(func() error {
		k, err := linux.New()
		if err != nil {
			return err
		}
		defer k.Close()
		look := func() []agent.Finding {
			got, err := k.Observe(ctx, want)
			if err != nil {
				t.Fatal(err)
			}
			return agent.Diff(want, got)
		}
		before := look()
		d, err := linux.OpenProbeDevice()
		if err != nil {
			return err
		}
		if diff := cmp.Diff(before, look(), cmp.Comparer(func(a, b agent.Action) bool { return a == b }), cmp.Comparer(func(a, b agent.Subject) bool { return a == b })); diff != "" {
			t.Errorf("findings (-without +with the device):\n%s", diff)
		}
		return d.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

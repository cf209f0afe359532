//go:build lab

package kernel_test

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// BenchmarkPlace brings VIPs into service on a tunnel that is down, as it is
// on a host that has just come up: by a whole pass of ours, which also looks,
// sets what has to be set, and verifies; and by one `ip -batch` of the classic
// recipe, device up and then the addresses. They take turns on the same
// kernel, and the ratio is ours to theirs.
func BenchmarkPlace(b *testing.B) {
	for _, n := range []int{1, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			inNamespace(b)
			exec.Command("modprobe", "ipip").Run()
			k := open(b)
			want := agent.Desired{VIPs: vips(n)}.Normal()
			var ours, theirs time.Duration
			for b.Loop() {
				ours += place(b, k, want)
				theirs += batch(b, want)
			}
			b.ReportMetric(float64(ours.Milliseconds())/float64(b.N), "ms-ours")
			b.ReportMetric(float64(theirs.Milliseconds())/float64(b.N), "ms-ip-batch")
			b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
		})
	}
}

func place(b *testing.B, k agent.Kernel, want agent.Desired) time.Duration {
	bare(b)
	start := time.Now()
	r, err := agent.Pass(context.Background(), k, &agenttest.MemStore{}, want)
	took := time.Since(start)
	if err != nil || r.State() > agent.Warning {
		b.Fatalf("pass: %v %v", err, agent.Drift(r.After))
	}
	return took
}

func batch(b *testing.B, want agent.Desired) time.Duration {
	bare(b)
	var lines strings.Builder
	lines.WriteString("link set dev tunl0 up\n")
	for _, vip := range want.VIPs {
		fmt.Fprintf(&lines, "addr add %s/32 dev tunl0 label tunl0:rs\n", vip)
	}
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(lines.String())
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("ip -batch: %v %s", err, out)
	}
	return time.Since(start)
}

// bare takes everything off the tunnel.
func bare(b *testing.B) {
	sh(b, "ip", "addr", "flush", "dev", "tunl0")
	sh(b, "ip", "link", "set", "tunl0", "down")
}

func vips(n int) []netip.Addr {
	out := make([]netip.Addr, n)
	addr := netip.MustParseAddr("100.64.0.1")
	for i := range out {
		out[i] = addr
		addr = addr.Next()
	}
	return out
}

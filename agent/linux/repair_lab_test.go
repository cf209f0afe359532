//go:build lab

package linux_test

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"rsagent/agent"
	"rsagent/agent/linux"
)

// BenchmarkRepair is what lies between the news of a deleted VIP and its being
// back, in parts.
func BenchmarkRepair(b *testing.B) {
	for _, n := range []int{16, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			inNamespace(b)
			exec.Command("modprobe", "ipip").Run()
			k := open(b)
			store := linux.FileStore{Dir: b.TempDir()}.Cached()
			want := agent.Desired{VIPs: vips(n)}.Normal()
			hints := k.Watch(b.Context())
			if _, err := agent.Pass(context.Background(), k, store, want); err != nil {
				b.Fatal(err)
			}
			focus := want.Focus(want.VIPs[:1])
			del := []agent.Action{agent.DelAddr{Device: "tunl0", Prefix: netip.PrefixFrom(want.VIPs[0], 32)}}
			other := open(b) // who tampers
			t := &timed{Kernel: k}
			var back time.Duration
			for b.Loop() {
				other.Apply(b.Context(), del)
				start := time.Now()
				r, err := agent.Pass(b.Context(), t, store, focus)
				if err != nil || len(r.Done) != 1 {
					b.Fatal(err, r.Done)
				}
				back += t.applied.Sub(start)
				select {
				case <-hints:
				default:
				}
			}
			b.ReportMetric(float64(back.Microseconds())/float64(b.N), "us-back")
			b.ReportMetric(float64(t.apply.Microseconds())/float64(b.N), "us-apply")
			b.ReportMetric(float64(t.look.Microseconds())/float64(b.N), "us-look1")
		})
	}
}

// timed is a kernel that says when it was done.
type timed struct {
	agent.Kernel
	applied     time.Time
	apply, look time.Duration
	looked      bool
}

func (t *timed) Apply(ctx context.Context, actions []agent.Action) []error {
	start := time.Now()
	errs := t.Kernel.Apply(ctx, actions)
	t.applied = time.Now()
	t.apply += t.applied.Sub(start)
	return errs
}

func (t *timed) Observe(ctx context.Context, want agent.Desired) (agent.Observed, error) {
	start := time.Now()
	got, err := t.Kernel.Observe(ctx, want)
	if t.looked = !t.looked; t.looked { // the second one verifies
		t.look += time.Since(start)
	}
	return got, err
}

func vips(n int) []netip.Addr {
	out := make([]netip.Addr, n)
	addr := netip.MustParseAddr("10.84.0.1")
	for i := range out {
		out[i], addr = addr, addr.Next()
	}
	return out
}

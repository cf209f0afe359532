//go:build lab

package kernel_test

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"rsagent/agent"
	"rsagent/agent/kernel"
)

// BenchmarkRepair is what lies between the news of a deleted VIP and its being
// back, in parts.
func BenchmarkRepair(b *testing.B) {
	for _, n := range []int{16, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			inNamespace(b)
			exec.Command("modprobe", "ipip").Run()
			k := open(b)
			store := kernel.FileStore{Dir: b.TempDir()}
			want := agent.Desired{VIPs: vips(n)}.Normal()
			hints := k.Watch(b.Context())
			if _, err := agent.Pass(context.Background(), k, store, want); err != nil {
				b.Fatal(err)
			}
			focus := want.Focus(want.VIPs[:1])
			del := []agent.Action{agent.DelAddr{Device: "tunl0", Prefix: netip.PrefixFrom(want.VIPs[0], 32)}}
			var look, load, hold, apply, whole time.Duration
			clock := func(d *time.Duration, f func()) { start := time.Now(); f(); *d += time.Since(start) }
			for b.Loop() {
				select {
				case <-hints:
				default:
				}
				k.Apply(b.Context(), del)
				clock(&look, func() { _, _ = k.Observe(b.Context(), focus) })
				clock(&load, func() { _, _ = store.Load() })
				clock(&hold, func() { release, _ := store.Hold(b.Context()); release() })
				clock(&apply, func() {
					k.Apply(b.Context(), []agent.Action{agent.AddAddr{Device: "tunl0", Prefix: netip.PrefixFrom(want.VIPs[0], 32), Label: "tunl0:rs"}})
				})
				k.Apply(b.Context(), del)
				clock(&whole, func() {
					if r, err := agent.Pass(b.Context(), k, store, focus); err != nil || len(r.Done) != 1 {
						b.Fatal(err, r.Done)
					}
				})
			}
			for name, d := range map[string]time.Duration{"look": look, "load": load, "hold": hold, "apply": apply, "pass": whole} {
				b.ReportMetric(float64(d.Microseconds())/float64(b.N), "us-"+name)
			}
		})
	}
}

func vips(n int) []netip.Addr {
	out := make([]netip.Addr, n)
	addr := netip.MustParseAddr("10.84.0.1")
	for i := range out {
		out[i], addr = addr, addr.Next()
	}
	return out
}

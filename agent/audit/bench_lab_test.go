//go:build lab

package audit

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkTell is how long after a write began it is told: since the program
// saw it, and since the writer opened the file.
func BenchmarkTell(b *testing.B) {
	for _, way := range ways {
		b.Run(way, func(b *testing.B) {
			inNamespaces(b, unix.CLONE_NEWNET)
			l := listen(b, mustOpen(b, Options{Only: way}))
			var took, sinceTime []time.Duration
			for i := range 500 {
				start := time.Now()
				f, err := os.OpenFile(conf+"all/arp_ignore", os.O_WRONLY, 0)
				if err != nil {
					b.Fatal(err)
				}
				fmt.Fprintln(f, i%2)
				w := l.next(b)
				took, sinceTime = append(took, time.Since(start)), append(sinceTime, time.Since(w.Time))
				_ = f.Close()
			}
			b.ReportMetric(percentile(took, 50), "us-p50")
			b.ReportMetric(percentile(took, 99), "us-p99")
			b.ReportMetric(percentile(sinceTime, 50), "us-since-seen-p50")
		})
	}
}

func percentile(d []time.Duration, p int) float64 {
	slices.Sort(d)
	return float64(d[len(d)*p/100].Nanoseconds()) / 1000
}

// BenchmarkOpen is what listening costs: time, and resident memory that stays.
func BenchmarkOpen(b *testing.B) {
	for _, way := range ways {
		b.Run(way, func(b *testing.B) {
			debug.FreeOSMemory()
			before, start := resident(b), time.Now()
			s := mustOpen(b, Options{Only: way})
			b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms")
			b.ReportMetric(resident(b)-before, "KiB")
			_ = s.Close()
		})
	}
}

// BenchmarkOpenRequests is the same for requests.
func BenchmarkOpenRequests(b *testing.B) {
	for _, way := range askingWays {
		b.Run(way, func(b *testing.B) {
			debug.FreeOSMemory()
			before, start := resident(b), time.Now()
			r := mustListen(b, way)
			debug.FreeOSMemory() // as OpenRequests does
			b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms")
			b.ReportMetric(resident(b)-before, "KiB")
			_ = r.Close()
		})
	}
}

func resident(b *testing.B) float64 {
	b.Helper()
	var total, pages float64
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := fmt.Sscan(string(statm), &total, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * float64(os.Getpagesize()) / 1024
}

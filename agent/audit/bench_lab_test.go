//go:build lab

package audit

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkWrite is how long after a write began it is delivered: since the
// program saw it, and since the writer opened the file.
func BenchmarkWrite(b *testing.B) {
	inNamespaces(b, unix.CLONE_NEWNET)
	l := listen(b, mustOpen(b, Options{}))
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
}

func percentile(d []time.Duration, p int) float64 {
	slices.Sort(d)
	return float64(d[len(d)*p/100].Nanoseconds()) / 1000
}

// BenchmarkOpen is what each part costs: time, and resident memory that stays.
func BenchmarkOpen(b *testing.B) {
	for name, open := range map[string]func() io.Closer{
		"writes":     func() io.Closer { return mustOpen(b, Options{}) },
		"requesters": func() io.Closer { return mustRecord(b) },
	} {
		b.Run(name, func(b *testing.B) {
			debug.FreeOSMemory()
			before, start := resident(b), time.Now()
			c := open()
			b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms")
			b.ReportMetric(resident(b)-before, "KiB")
			_ = c.Close()
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

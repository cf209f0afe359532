package page

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTrafficKeepsTenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var bytes, packets uint64
		tr := NewTraffic(func() (uint64, uint64, bool) {
			bytes, packets = bytes+2500, packets+25
			return bytes, packets, true
		})
		ctx, cancel := context.WithCancel(t.Context())
		go tr.Run(ctx)
		time.Sleep(25*time.Minute + time.Millisecond)
		synctest.Wait()
		rates := tr.Rates()
		cancel()
		synctest.Wait()
		if len(rates) != 240 {
			t.Fatalf("%d rates", len(rates))
		}
		for i, r := range rates {
			if !r.OK || r.Bits != 8000 || r.Packets != 10 {
				t.Fatalf("rate %d: %+v", i, r)
			}
			if i > 0 && r.At.Sub(rates[i-1].At) != trafficStep {
				t.Fatalf("rate %d is %v after the one before", i, r.At.Sub(rates[i-1].At))
			}
		}
		if age := time.Since(rates[239].At); age > trafficStep {
			t.Errorf("the last is %v old", age)
		}
	})
}

// TestTrafficLeavesGaps: no rate is made up where counters went back, a device
// was absent, or the machine slept.
func TestTrafficLeavesGaps(t *testing.T) {
	t.Parallel()
	steps := []struct {
		after time.Duration
		bytes uint64
		ok    bool
	}{{0, 100, true}, {1, 200, true}, {1, 0, false}, {1, 300, true}, {1, 400, true}, {1, 10, true}, {1, 20, true}, {3600, 90, true}, {1, 100, true}}
	i := 0
	tr := NewTraffic(func() (uint64, uint64, bool) { return steps[i].bytes, steps[i].bytes / 10, steps[i].ok })
	at, got := noon, ""
	for ; i < len(steps); i++ {
		at = at.Add(steps[i].after * time.Second)
		tr.look(at)
	}
	for _, r := range tr.Rates() {
		got += map[bool]string{true: "r", false: "."}[r.OK]
	}
	if got != "r..r.r.r" {
		t.Error(got)
	}
}

func TestANilTrafficHasNoRates(t *testing.T) {
	t.Parallel()
	var tr *Traffic
	if tr.Rates() != nil || NewPlot(nil, noon).Measured {
		t.Error("something was measured")
	}
}

func TestDeviceReader(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/sys/class/net/lo/statistics/rx_bytes"); err != nil {
		t.Skip("no sysfs")
	}
	if _, _, ok := DeviceReader("lo")(); !ok {
		t.Error("lo cannot be read")
	}
	if _, _, ok := DeviceReader("absent0")(); ok {
		t.Error("a device that is absent was read")
	}
}

func TestPlot(t *testing.T) {
	t.Parallel()
	p := NewPlot(busy(), noon)
	if !p.Measured || len(p.Lines) != 2 || len(p.Areas) != 2 || p.Top != "30 Mbit/s" || p.Now != "15.1 Mbit/s, 1.3 kpackets/s" {
		t.Errorf("%d lines, top %s, now %s", len(p.Lines), p.Top, p.Now)
	}
	if n := len(strings.Fields(p.Lines[0] + " " + p.Lines[1])); n < 110 || n > 121 {
		t.Errorf("%d points", n)
	}
	if !strings.Contains(p.Lines[1], " 600.0,") {
		t.Error("the line does not reach now")
	}
	p = NewPlot(idle(), noon)
	if p.Now != "no traffic" || p.Peak != "" || len(p.Lines) != 1 || strings.Contains(p.Text, "Peak") {
		t.Errorf("%+v", p)
	}
	if later := NewPlot(busy(), noon.Add(time.Hour)); later.Measured {
		t.Error("what is an hour old was drawn")
	}
}

// TestThePlotMovesWithoutChangingShape: five seconds later the same points
// stand one step to the left.
func TestThePlotMovesWithoutChangingShape(t *testing.T) {
	t.Parallel()
	heights := func(p Plot) (out []string) {
		for _, point := range strings.Fields(p.Lines[0]) {
			_, y, _ := strings.Cut(point, ",")
			out = append(out, y)
		}
		return out
	}
	before, after := heights(NewPlot(busy(), noon)), heights(NewPlot(busy(), noon.Add(5*time.Second)))
	if got, want := strings.Join(after[:40], " "), strings.Join(before[1:41], " "); got != want {
		t.Errorf("\n%s\n%s", got, want)
	}
}

package page

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// span and step of what a Traffic keeps. Each point of the plot is the mean of
// two steps, so that none is without any when a step comes late.
const (
	trafficKept = 10 * time.Minute
	trafficStep = plotBin / 2
)

// A Reader returns the bytes and packets that a device has received since it
// came up. ok is false if that cannot be told now.
type Reader func() (rxBytes, rxPackets uint64, ok bool)

// DeviceReader reads the counters of a network device in sysfs.
func DeviceReader(device string) Reader {
	dir := filepath.Join("/sys/class/net", filepath.Base(device), "statistics")
	return func() (uint64, uint64, bool) {
		rxBytes, err := readCounter(filepath.Join(dir, "rx_bytes"))
		if err != nil {
			return 0, 0, false
		}
		rxPackets, err := readCounter(filepath.Join(dir, "rx_packets"))
		return rxBytes, rxPackets, err == nil
	}
}

func readCounter(path string) (uint64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}

// A Rate is what came in during a step, a second of it. OK is false if nothing is known.
type Rate struct {
	At            time.Time
	Bits, Packets float64 // per second
	OK            bool
}

// Traffic remembers what a device received in the last ten minutes, in a dozen
// kilobytes. It is safe for concurrent use.
type Traffic struct {
	read Reader

	mu    sync.Mutex
	rates []Rate // a ring once it is full
	next  int
	last  sample
}

type sample struct {
	at             time.Time
	bytes, packets uint64
	ok             bool
}

// NewTraffic returns a Traffic that has seen nothing yet.
func NewTraffic(read Reader) *Traffic { return &Traffic{read: read} }

// Run reads at every step until ctx ends.
func (t *Traffic) Run(ctx context.Context) {
	ticker := time.NewTicker(trafficStep)
	defer ticker.Stop()
	t.look(time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			t.look(now)
		}
	}
}

// look takes a sample. Counters that went back, or a pause, as of a suspended
// machine, leave a gap: a rate across it would be an invention.
func (t *Traffic) look(now time.Time) {
	s := sample{at: now}
	s.bytes, s.packets, s.ok = t.read()
	t.mu.Lock()
	defer t.mu.Unlock()
	prev := t.last
	t.last = s
	if prev.at.IsZero() {
		return
	}
	r := Rate{At: now}
	took := now.Sub(prev.at)
	if prev.ok && s.ok && took > 0 && took < 4*trafficStep && s.bytes >= prev.bytes && s.packets >= prev.packets {
		r.Bits = float64(s.bytes-prev.bytes) * 8 / took.Seconds()
		r.Packets = float64(s.packets-prev.packets) / took.Seconds()
		r.OK = true
	}
	if len(t.rates) < int(trafficKept/trafficStep) {
		t.rates = append(t.rates, r)
		return
	}
	t.rates[t.next] = r
	t.next = (t.next + 1) % len(t.rates)
}

// Rates returns what is remembered, the oldest first. A nil Traffic has none.
func (t *Traffic) Rates() []Rate {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Rate, 0, len(t.rates))
	return append(append(out, t.rates[t.next:]...), t.rates[:t.next]...)
}

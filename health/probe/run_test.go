package probe_test

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rsagent/health/probe"
)

// rounds are the sizes of rounds, and when they were over.
type rounds struct {
	mu    sync.Mutex
	sizes []int
	times []time.Duration
}

func (r *rounds) add(size int, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sizes, r.times = append(r.sizes, size), append(r.times, at)
}

func (r *rounds) all() ([]int, []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sizes), slices.Clone(r.times)
}

// The device is opened once and kept, opened again when it fails, and closed in the end.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		opened := 0
		p := h.prober()
		open := p.Open
		p.Open = func(avoid []netip.Addr) (probe.Endpoint, error) { opened++; return open(avoid) }
		var targets []probe.Target
		for port := range uint16(10) {
			h.open[80+port] = true
			targets = append(targets, probe.Target{VIP: vip, Port: 80 + port})
		}
		ctx, cancel := context.WithCancel(t.Context())
		hurry := make(chan struct{})
		ended := make(chan error)
		var heard rounds
		start := time.Now()
		go func() {
			ended <- p.Run(ctx, func() probe.Job { return probe.Job{Targets: targets} }, 5*time.Second, hurry, func(rs []probe.Result) {
				heard.add(len(rs), time.Since(start))
			})
		}()
		time.Sleep(4 * time.Second)
		sizes, _ := heard.all()
		if len(sizes) != 1 || sizes[0] != 10 {
			t.Errorf("the first sweep: got %v, want all at once", sizes)
		}
		time.Sleep(3600 * time.Millisecond)
		sizes, times := heard.all()
		if want := []int{10, 2, 2, 2}; !slices.Equal(sizes, want) || times[3] != 7*time.Second {
			t.Errorf("the second: got %v at %v, want two each second", sizes, times)
		}
		hurry <- struct{}{}
		time.Sleep(10 * time.Millisecond)
		sizes, _ = heard.all()
		if len(sizes) != 5 || sizes[4] != 10 {
			t.Errorf("in a hurry: got %v", sizes)
		}
		h.mu.Lock()
		h.broken = errBroken
		h.mu.Unlock()
		time.Sleep(6 * time.Second)
		h.mu.Lock()
		h.broken = nil
		h.mu.Unlock()
		time.Sleep(5 * time.Second)
		cancel()
		if err := <-ended; err != nil || opened < 2 || h.closed != opened {
			t.Errorf("got %v, opened %d times and closed %d times", err, opened, h.closed)
		}
	})
}

func TestRunWithoutTargetsWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		asked := 0
		err := newHost().prober().Run(ctx, func() probe.Job { asked++; return probe.Job{} }, 5*time.Second, nil, nil)
		if err != nil || asked > 13 {
			t.Errorf("got %v, asked %d times", err, asked)
		}
	})
}

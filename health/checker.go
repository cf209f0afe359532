package health

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Bounds of service checks.
const (
	maxCheckEvery = 10 * time.Second // however long the interval is
	maxChecks     = 64               // at the same time
)

// checker asks services again and again: never two at once for one of them,
// jittered, so that a thousand real servers started together do not ask in
// step.
type checker struct {
	dial   Dialer
	every  func() time.Duration // the interval; may change
	result func(ServiceResult)
	slots  chan struct{}
	active map[Service]*target
}

type target struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func newChecker(dial Dialer, every func() time.Duration, result func(ServiceResult)) *checker {
	return &checker{dial: dial, every: every, result: result, slots: make(chan struct{}, maxChecks), active: map[Service]*target{}}
}

// set makes exactly these services the ones that are asked. It returns when
// the checks of the others have ended.
func (c *checker) set(ctx context.Context, services []Service) {
	wanted := make(map[Service]bool, len(services))
	for _, s := range services {
		wanted[s] = true
	}
	var ended []*target
	for s, t := range c.active {
		if !wanted[s] {
			t.cancel()
			ended = append(ended, t)
			delete(c.active, s)
		}
	}
	for _, t := range ended {
		t.done.Wait()
	}
	for s := range wanted {
		if c.active[s] == nil {
			c.active[s] = c.start(ctx, s)
		}
	}
}

func (c *checker) start(ctx context.Context, s Service) *target {
	ctx, cancel := context.WithCancel(ctx)
	t := &target{cancel: cancel}
	t.done.Go(func() { c.loop(ctx, s) })
	return t
}

func (c *checker) loop(ctx context.Context, s Service) {
	// The first answer is waited for by whoever wants the VIP in service.
	pause := time.Duration(rand.Int64N(int64(min(c.period()/2, 250*time.Millisecond)) + 1))
	for sleep(ctx, pause) {
		select {
		case c.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		r := CheckService(ctx, c.dial, s, min(c.every(), maxTimeout))
		<-c.slots
		if ctx.Err() != nil {
			return // cut short, so it says nothing about the service
		}
		c.result(r)
		period := c.period()
		pause = period*9/10 + time.Duration(rand.Int64N(int64(period/5)+1))
	}
}

func (c *checker) period() time.Duration { return min(c.every(), maxCheckEvery) }

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package health

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// Run follows the drain file, asks the services and keeps the ledger, until ctx
// ends; nothing of it is left when it returns, and the ledger is in its file. A
// change to the drain file counts within 100 ms.
func (h *Health) Run(ctx context.Context) {
	c := newChecker(h.dial, func() time.Duration { return time.Duration(h.interval.Load()) }, h.service)
	c.set(ctx, h.targets())
	defer c.set(ctx, nil)
	var keeping sync.WaitGroup
	defer keeping.Wait()
	keeping.Go(func() { h.keepLedger(ctx) })
	news := h.listen(h.watch.dir)
	defer news.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var told time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.reload:
			c.set(ctx, h.targets())
		case <-h.sooner:
		case <-news.heard:
		case <-timer.C:
		}
		hears := news.follow() // before the look, so that nothing is missed in between
		now := time.Now()
		h.followDrain(now)
		told = h.noticeStale(now, told)
		timer.Reset(min(h.watch.next(now, hears).Sub(now), h.fresh(now)))
	}
}

func (h *Health) targets() []Service {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.cfg.Services)
}

func (h *Health) followDrain(now time.Time) {
	if s := h.watch.look(now); s != h.current.Load().Drain {
		h.setDrain(s)
	}
}

// noticeStale signals when what is published has become stale by the passing of
// time. It returns the moment at which that last happened.
func (h *Health) noticeStale(now, told time.Time) time.Time {
	fresh := h.current.Load().Verdict.Fresh
	if fresh.IsZero() || !now.After(fresh) || fresh.Equal(told) {
		return told
	}
	signal(h.changed)
	return fresh
}

// fresh returns for how long nothing becomes stale, as it is now, see sooner.
func (h *Health) fresh(now time.Time) time.Duration {
	if left := h.current.Load().Verdict.Fresh.Sub(now); left >= 0 {
		return left + 1
	}
	return math.MaxInt64
}

package health

import (
	"context"
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
	ticker := time.NewTicker(drainPoll)
	defer ticker.Stop()
	stale := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.reload:
			c.set(ctx, h.targets())
		case now := <-ticker.C:
			h.followDrain(now)
			stale = h.noticeStale(now, stale)
		}
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

// noticeStale signals when what is published becomes stale by the passing of
// time, or has ceased to be.
func (h *Health) noticeStale(now time.Time, before bool) bool {
	fresh := h.current.Load().Verdict.Fresh
	stale := !fresh.IsZero() && now.After(fresh)
	if stale != before {
		signal(h.changed)
	}
	return stale
}

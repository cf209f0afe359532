package agent

import (
	"context"
	"time"
)

// A Loop keeps a real server converged.
type Loop struct {
	Kernel   Kernel
	Store    Store
	Interval time.Duration // how often to look without a hint; must be positive
	// Report is called after every pass, from the loop's goroutine.
	Report func(Report, error)
}

// Run makes a pass at once, then on every hint and every interval, until ctx
// ends. Hints that arrive during a pass cost one more pass, however many they
// are. A value received from reload replaces what is wanted. Run leaves the
// kernel as it is when it returns: VIPs are never taken away by stopping.
func (l Loop) Run(ctx context.Context, want Desired, reload <-chan Desired) {
	hints := l.Kernel.Watch(ctx)
	ticker := time.NewTicker(l.Interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		l.Report(Pass(ctx, l.Kernel, l.Store, want))
		select {
		case <-ctx.Done():
			return
		case want = <-reload:
		case _, open := <-hints:
			if !open {
				hints = nil // ctx is ending
			}
		case <-ticker.C:
		}
	}
}

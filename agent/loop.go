package agent

import (
	"context"
	"time"
)

// retry is how soon a pass is followed by another when it left something that
// it could not mend or could not tell. What stood in the way may be gone
// without a hint.
const retry = time.Second

// An Order is what a loop has to do.
type Order struct {
	Want     Desired
	Interval time.Duration // how often to look without a hint; must be positive
}

// A Loop keeps a real server converged.
type Loop struct {
	Kernel Kernel
	Store  Store
	// Report is called after every pass, from the loop's goroutine.
	Report func(Report, error)
}

// Run makes a pass at once, then on every hint and every interval, until ctx
// ends. Hints that arrive during a pass cost one more pass, however many they
// are. An order received from reload replaces the present one. Run leaves the
// kernel as it is when it returns: VIPs are never taken away by stopping.
func (l Loop) Run(ctx context.Context, order Order, reload <-chan Order) {
	hints := l.Kernel.Watch(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		report, err := Pass(ctx, l.Kernel, l.Store, order.Want)
		l.Report(report, err)
		timer.Reset(order.pause(report, err))
		select {
		case <-ctx.Done():
		case order = <-reload:
		case _, open := <-hints:
			if !open {
				hints = nil // ctx is ending
			}
		case <-timer.C:
		}
	}
}

// pause is how long to wait for a hint after a pass.
func (o Order) pause(r Report, err error) time.Duration {
	done := err == nil && r.State() != Unknown && (r.Converged() || o.Want.ObserveOnly)
	if done {
		return o.Interval
	}
	return min(o.Interval, retry)
}

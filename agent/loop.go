package agent

import (
	"context"
	"strings"
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
	brake := brake{}
	for ctx.Err() == nil {
		report, err := Pass(ctx, l.Kernel, l.Store, order.Want)
		l.Report(report, err)
		rest(ctx, brake.after(report))
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

// A brake slows a loop down that does the same thing again and again, because
// somebody undoes it as fast as we do it.
type brake struct {
	last  string // what was done
	when  time.Time
	times int // how often in a row
}

// The first repeats are free, and so is one that comes after a while. Then the
// rest doubles up to a limit.
const (
	freeRepeats = 20
	inARow      = 200 * time.Millisecond
	shortRest   = time.Millisecond
	longRest    = 100 * time.Millisecond
)

// after returns how long to rest after a pass.
func (b *brake) after(r Report) time.Duration {
	if len(r.Done) == 0 {
		return 0 // that all is well for a moment does not end a fight
	}
	var done strings.Builder
	for _, s := range r.Done {
		done.WriteString(s.Action.String() + "\n")
	}
	if done.String() != b.last || r.Time.Sub(b.when) > inARow {
		b.times = 0
	}
	b.last, b.when = done.String(), r.Time
	b.times++
	if b.times <= freeRepeats {
		return 0
	}
	return min(shortRest<<min(b.times-freeRepeats, 10), longRest)
}

func rest(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
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

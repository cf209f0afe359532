package probe

import (
	"context"
	"time"
)

// tick is the shortest time between two rounds of one sweep, so that many
// targets do not keep the processor awake.
const tick = 100 * time.Millisecond

// Run probes until ctx ends, each target once an interval, and closes the
// device. What is to be probed it asks for at the start of every interval. The
// first interval's targets are probed at once, and so are those of one that
// begins because hurry said so (a nil channel never does); later ones are
// spread over it. Report gets the results of each round, as soon as they are
// there, from the goroutine of Run.
func (p *Prober) Run(ctx context.Context, next func() Job, interval time.Duration, hurry <-chan struct{}, report func([]Result)) error {
	atOnce := true
	for ctx.Err() == nil {
		atOnce = p.sweep(ctx, next(), interval, atOnce, hurry, report)
	}
	return p.Close()
}

// sweep lasts an interval, or until hurry; then it returns true.
func (p *Prober) sweep(ctx context.Context, job Job, interval time.Duration, atOnce bool, hurry <-chan struct{}, report func([]Result)) bool {
	start := time.Now()
	all := job.Targets
	job.all = all
	for done := 0; done < len(all) && ctx.Err() == nil; {
		end := len(all)
		if !atOnce {
			end = max(done+1, due(len(all), time.Since(start), interval))
		}
		job.Targets = all[done:end]
		if results := p.Round(ctx, job); ctx.Err() == nil {
			report(results)
		}
		if done = end; done < len(all) && pause(ctx, time.Until(start.Add(turn(done, len(all), interval))), hurry) {
			return true
		}
	}
	return pause(ctx, time.Until(start.Add(interval)), hurry)
}

// due returns how many of n targets have had their turn after that much of an
// interval: those whose time has come, at least the first and at most all.
func due(n int, elapsed, interval time.Duration) int {
	if elapsed >= interval {
		return n
	}
	return min(n, 1+int(float64(n)*float64(elapsed)/float64(interval)))
}

// turn returns when the target of that index has its turn, at the next tick.
func turn(index, n int, interval time.Duration) time.Duration {
	at := time.Duration(float64(interval) * float64(index) / float64(n))
	return (at + tick - 1) / tick * tick
}

// pause waits, and reports whether hurry cut it short.
func pause(ctx context.Context, d time.Duration, hurry <-chan struct{}) bool {
	select {
	case <-hurry:
		return true
	default:
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-hurry:
		return true
	case <-timer.C:
		return false
	}
}

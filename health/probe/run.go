package probe

import (
	"context"
	"time"
)

// The time between two rounds of one sweep. What a round costs whatever it is
// about, to wake up and to make sure of the device, is shared by its targets;
// but each of them is a connection that some service has to begin.
const (
	calm = time.Second            // where a windowful is enough for all
	tick = 100 * time.Millisecond // at least, however many there are
)

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
	n := rounds(len(all), interval)
	if atOnce {
		n = min(n, 1)
	}
	for done := 0; done < n && ctx.Err() == nil; {
		end := max(done+1, due(n, time.Since(start), interval))
		job.Targets = all[done*len(all)/n : end*len(all)/n]
		if results := p.Round(ctx, job); ctx.Err() == nil {
			report(results)
		}
		if done = end; done < n && pause(ctx, time.Until(start.Add(turn(done, n, interval))), hurry) {
			return true
		}
	}
	return pause(ctx, time.Until(start.Add(interval)), hurry)
}

// rounds returns in how many rounds to probe so many targets in an interval.
func rounds(targets int, interval time.Duration) int {
	n := max(int(interval/calm), (targets+window-1)/window)
	return min(n, max(1, int(interval/tick)), targets)
}

// due returns how many of n rounds have had their turn after that much of an
// interval: those whose time has come, at least the first and at most all.
func due(n int, elapsed, interval time.Duration) int {
	if elapsed >= interval {
		return n
	}
	return min(n, 1+int(time.Duration(n)*elapsed/interval))
}

// turn returns when the round of that index has its turn.
func turn(index, n int, interval time.Duration) time.Duration {
	return (time.Duration(index)*interval + time.Duration(n) - 1) / time.Duration(n)
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

package agent

import "time"

// A Report is the outcome of a pass. Every view renders it: the log, check,
// HTTP, metrics, systemd's STATUS.
type Report struct {
	Time   time.Time     // when the pass began
	Took   time.Duration // how long it took
	Before []Finding     // as found
	After  []Finding     // as left; equal to Before if nothing was done
	Done   []Step        // in the order of execution
	Plan   []Action      // what would be done next; empty when converged
	VIPs   int           // how many are asked for
}

// A Step is an action that was tried.
type Step struct {
	Action Action
	Err    error // nil: done
}

// State is the worst severity that is left.
func (r Report) State() Severity { return Worst(r.After) }

// Converged reports whether nothing is left that we could mend.
func (r Report) Converged() bool { return len(r.Plan) == 0 }

// Failed returns the steps that did not succeed.
func (r Report) Failed() []Step {
	var out []Step
	for _, s := range r.Done {
		if s.Err != nil {
			out = append(out, s)
		}
	}
	return out
}

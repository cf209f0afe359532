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
	Plan   []Repair      // what would be done next; empty when converged
	Would  []Repair      // what would be done if it were not only to be reported
	VIPs   int           // how many are asked for
	Device string        // the tunnel's name here
	// Focused is true if only a part was looked at. Nothing else is known to
	// have changed since the last whole report, and this part is as it was
	// there, for what was repaired is in order again.
	Focused   bool
	Traces    []Trace      // of changes since the last report
	Contended []Contention // fights that are going on
}

// A Step is an action that was tried.
type Step struct {
	Repair
	Err error // nil: done
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

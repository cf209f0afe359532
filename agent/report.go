package agent

import (
	"net/netip"
	"slices"
	"time"
)

// A Report is what one turn of the loop compared, did and left. Every view
// renders it: the ledger, check, HTTP, metrics, systemd's STATUS.
type Report struct {
	Time  time.Time     // when what it is about was announced or read
	Took  time.Duration // until it was repaired and verified
	Found Source        // what it was found by
	// Scope is the part that was compared. What it does not cover is as it was.
	Scope  Scope
	Before []Finding // as found
	After  []Finding // as left; equal to Before if nothing was done
	Done   []Step    // in the order of execution
	Plan   []Repair  // what would be done next; empty when converged
	Would  []Repair  // what would be done if it were not only to be reported
	VIPs   int       // how many are asked for
	Device string    // the tunnel's name here
	// Initial is true for the first report of a host that rsagent has not
	// changed before: what differs is no drift.
	Initial   bool
	Audit     []AuditRecord // of changes since the last report
	Conflicts []Conflict    // all that are going on
}

// A Source is what the loop learned by that something had changed.
type Source string

// The sources. What nothing announced is found by a poll or a resync.
const (
	ByEvent  Source = "event"
	ByPoll   Source = "poll"
	ByResync Source = "resync"
)

// A Scope is what is compared. The zero Scope is everything.
type Scope struct {
	Partial  bool         // only what follows
	Settings bool         // the settings
	VIPs     []netip.Addr // whatever is about one of these addresses
}

// Covers reports whether findings about s are part of the scope. Conflicts are
// no part of any: each report has all of them.
func (c Scope) Covers(s Subject) bool {
	switch s.Kind {
	case KindConflict:
		return false
	case KindARP, KindRPFilter:
		return !c.Partial || c.Settings
	case KindVIP, KindStray, KindForeign, KindRoute:
		return !c.Partial || slices.Contains(c.VIPs, s.VIP)
	}
	return !c.Partial
}

// A Step is an action that was tried.
type Step struct {
	Repair
	Err  error     // nil: done
	Time time.Time // when it was done, or had failed
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

package health

import (
	"maps"
	"slices"
	"strings"
	"time"

	"rsagent/agent"
)

// ledgerSize bounds the ledger. What was repaired longest ago is forgotten
// first, and what is not repaired last.
const ledgerSize = 256

// A Drift is something that was found different from what is wanted, and stays
// in the ledger after its repair: without that a fight looks healthy.
type Drift struct {
	ID        string         `json:"id"`
	Severity  agent.Severity `json:"severity"`
	Want      string         `json:"want"`
	Got       string         `json:"got"`
	Why       string         `json:"why,omitempty"`
	FirstSeen time.Time      `json:"first_seen"`         // ever
	Since     time.Time      `json:"since"`              // this time
	LastSeen  time.Time      `json:"last_seen"`          // differing
	Repaired  time.Time      `json:"repaired,omitzero"`  // in order again; absent while it differs
	Action    string         `json:"action,omitempty"`   // our repair, planned or done; absent if it went by itself
	Times     int            `json:"times"`              // how often it came up
	By        string         `json:"by"`                 // whose doing it was
	Attempts  int            `json:"attempts,omitempty"` // to repair it, this time
}

// Open reports whether it differs still.
func (d Drift) Open() bool { return d.Repaired.IsZero() }

// ledger is not safe for concurrent use.
type ledger struct {
	entries   map[string]*Drift
	differing map[string]bool // IDs, as of the last report
	drifts    int             // how often anything came up
}

// add records a report: what came up, and what is in order again. Of a focused
// one nothing follows for what it does not name.
func (l *ledger) add(r agent.Report) {
	if l.entries == nil {
		l.entries = map[string]*Drift{}
	}
	fresh := map[string]bool{}
	for _, list := range [][]agent.Finding{r.Before, r.After} {
		for _, f := range list {
			if f.Severity == agent.OK {
				continue
			}
			if !l.differing[f.ID] && !fresh[f.ID] {
				fresh[f.ID] = true
				l.open(f, r)
			}
			l.update(f, r)
		}
	}
	l.close(r)
	l.shrink()
}

func (l *ledger) open(f agent.Finding, r agent.Report) {
	l.drifts++
	d := l.entries[f.ID]
	if d == nil {
		d = &Drift{ID: f.ID, FirstSeen: r.Time, By: "unknown"}
		l.entries[f.ID] = d
	}
	d.Since, d.LastSeen, d.Repaired, d.Attempts = r.Time, time.Time{}, time.Time{}, 0
	d.Times++
}

// update keeps the worse of what was found before and after the repair.
func (l *ledger) update(f agent.Finding, r agent.Report) {
	d := l.entries[f.ID]
	if d == nil || d.LastSeen.Equal(r.Time) && f.Severity < d.Severity {
		return // forgotten for want of room, or told already
	}
	d.Severity, d.Want, d.Got, d.Why, d.LastSeen, d.Action = f.Severity, f.Want, f.Got, f.Why, r.Time, ""
	if f.Fix != nil {
		d.Action = f.Fix.String()
	}
}

func (l *ledger) close(r agent.Report) {
	done := map[string]bool{}
	tried := map[string]bool{}
	for _, s := range r.Done {
		tried[s.Action.String()] = true
		done[s.Action.String()] = done[s.Action.String()] || s.Err == nil
	}
	still := l.still(r)
	l.differing = still
	for id, d := range l.entries {
		if !d.Open() {
			continue
		}
		if tried[d.Action] {
			d.Attempts++
		}
		if still[id] {
			continue
		}
		d.Repaired = r.Time.Add(r.Took)
		if !done[d.Action] {
			d.Action = ""
		}
	}
}

// still returns the IDs of what differs after a report.
func (l *ledger) still(r agent.Report) map[string]bool {
	out := map[string]bool{}
	if r.Focused {
		maps.Copy(out, l.differing)
		for _, f := range r.Before {
			delete(out, f.ID)
		}
	}
	for _, f := range r.After {
		if f.Severity != agent.OK {
			out[f.ID] = true
		} else {
			delete(out, f.ID)
		}
	}
	return out
}

func (l *ledger) shrink() {
	if len(l.entries) <= ledgerSize {
		return
	}
	for _, d := range l.list()[ledgerSize:] {
		delete(l.entries, d.ID)
	}
}

// list returns what differs first, then what was repaired last.
func (l *ledger) list() []Drift {
	out := make([]Drift, 0, len(l.entries))
	for _, d := range l.entries {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b Drift) int {
		if a.Open() != b.Open() {
			if a.Open() {
				return -1
			}
			return 1
		}
		if c := b.LastSeen.Compare(a.LastSeen); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

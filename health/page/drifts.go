package page

import (
	"fmt"
	"time"

	"rsagent/health"
)

// A DriftList holds the last drifts, what differs still first.
type DriftList struct {
	Rows  []DriftRow
	More  int
	Total string
}

// A DriftRow is one entry of the ledger.
type DriftRow struct {
	ID, Got, Want string
	State         State
	Open          bool
	When, Stamp   string
	Outcome       string
	Action        string
	By            string
	Times         int
	Contended     bool // somebody else undoes the repair again and again
}

const shownDrifts = 12

func newDriftList(s health.Snapshot) DriftList {
	out := DriftList{
		More: max(len(s.Drifts)-shownDrifts, 0),
		Total: fmt.Sprintf("%s since the start, %s", plural(s.Totals.Drifts, "drift"),
			plural(s.Totals.Repaired, "repair")),
	}
	if s.Totals.Failed > 0 {
		out.Total += fmt.Sprintf(", %s failed", count(s.Totals.Failed))
	}
	for _, d := range s.Drifts[:min(len(s.Drifts), shownDrifts)] {
		out.Rows = append(out.Rows, driftRow(d, s.Now))
	}
	return out
}

func driftRow(d health.Drift, now time.Time) DriftRow {
	r := DriftRow{
		ID: clip(d.ID, 160), Got: clip(d.Got, 120), Want: clip(d.Want, 120), State: stateOf(d.Severity),
		Open: d.Open(), When: ago(now.Sub(d.Since)), Stamp: d.Since.UTC().Format(time.RFC3339),
		Action: d.Action, By: clip(by(d.By), 80), Times: d.Times, Contended: d.Contended,
	}
	r.Outcome = outcome(d)
	if !r.Open {
		r.State = Good
	}
	return r
}

// outcome says what became of a drift.
func outcome(d health.Drift) string {
	switch {
	case d.Open() && d.Attempts > 0:
		return fmt.Sprintf("differs still, %s to repair it failed", plural(d.Attempts, "attempt"))
	case d.Open():
		return "differs still"
	case d.Action == "":
		return "in order again after " + span(d.Repaired.Sub(d.Since)) + ", not by us"
	}
	return "repaired after " + span(d.Repaired.Sub(d.Since))
}

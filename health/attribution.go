package health

import (
	"slices"
	"strings"
	"time"

	"rsagent/agent"
)

// Whose doing a drift was is told by a trace of the change, and by nothing
// else. The trace must be of the same thing, lead to the value that was found,
// and lie between the last time that the thing was in order and the reading
// that showed that it was not.
const (
	// readingTime is how long after the beginning of a pass its first reading
	// may still show a change.
	readingTime = 20 * time.Millisecond
	// writeTime is how long after its trace a change may take effect: traces
	// of settings are made before the write.
	writeTime = 10 * time.Millisecond
	// lateTrace is how long after the drift a trace may come: the sources of
	// both race, and what has to rest is looked at once a second.
	lateTrace = 3 * time.Second
	// maxTraces bounds the traces that explain nothing yet.
	maxTraces = 1024
)

// inOrder returns the last time at which something that has no entry was in
// order, to the knowledge of the ledger.
func (l *ledger) inOrder(id string) time.Time {
	at := l.whole
	if strings.HasPrefix(id, "sysctl/") {
		at = l.settings
	}
	if at.IsZero() {
		return at
	}
	return at.Add(-writeTime)
}

// attribute finds authors for drifts that have none. It reports whether it did.
func (l *ledger) attribute(r agent.Report) bool {
	l.traces = append(l.traces, r.Audit...)
	l.traces = l.traces[max(0, len(l.traces)-maxTraces):]
	found := false
	for i := len(l.traces) - 1; i >= 0; i-- { // the last one is what was read
		if d := l.entries[l.traces[i].ID()]; d != nil && d.explained(l.traces[i], r.Time) {
			d.blame(l.traces[i].By)
			l.edition++
			found = true
		}
	}
	return found
}

// explained reports whether the trace explains the drift, which nobody has
// explained yet.
func (d *entry) explained(t agent.AuditRecord, now time.Time) bool {
	until := d.until
	if !d.Open() && d.Repaired.Before(until) {
		until = d.Repaired
	}
	return t.By.Known() && d.ByPID == 0 &&
		(t.New == "" || t.New == d.Got) &&
		t.Time.After(d.after) && !t.Time.After(until) &&
		!now.After(d.Since.Add(lateTrace))
}

// forgetTraces drops what can explain nothing any more: changes before a
// reading that has shown what came of them, and those that are too old.
func (l *ledger) forgetTraces(r agent.Report, named map[string]bool) {
	l.traces = slices.DeleteFunc(l.traces, func(t agent.AuditRecord) bool {
		looked := !r.Scope.Partial || named[t.ID()] || strings.HasPrefix(t.ID(), "sysctl/")
		return looked && t.Time.Before(r.Time.Add(-writeTime)) || t.Time.Before(r.Time.Add(-lateTrace))
	})
	if len(l.traces) == 0 {
		l.traces = nil
	}
}

package health

import (
	"slices"
	"strings"
	"time"

	"rsagent/agent"
)

// ledgerSize bounds the ledger. What was repaired longest ago is forgotten
// first, and what is not repaired last.
const ledgerSize = 256

// ledger is not safe for concurrent use. The zero value is empty.
type ledger struct {
	entries   map[string]*entry
	differing map[string]bool     // IDs, as far as reports have told
	contended map[string]bool     // IDs
	traces    []agent.AuditRecord // that explain nothing yet
	whole     time.Time           // when the last report about everything began
	settings  time.Time           // when the last report began: each is about all settings
	drifts    int                 // how often anything came up
	edition   int                 // grows with each change that is worth keeping in the file
}

// An entry is a drift with what it takes to find its author.
type entry struct {
	Drift
	after time.Time // it was in order then
	until time.Time // the reading that showed it was over by then
}

// news is what a report has brought.
type news struct {
	changed  bool            // the list is another
	came     []string        // IDs of what came up
	repaired []time.Duration // how long what we repaired had differed
}

// add records a report: what came up, what is in order again, whose doing it
// was. A report that is Focused says nothing about what it does not name. The
// cost is that of the report's findings.
func (l *ledger) add(r agent.Report) news {
	if l.entries == nil {
		l.entries, l.differing = map[string]*entry{}, map[string]bool{}
	}
	var n news
	named, still := l.found(r, &n)
	l.close(r, named, still, &n)
	l.fights(r, &n)
	n.changed = l.attribute(r) || n.changed || len(still) > 0
	l.forgetTraces(r, named)
	l.settings = r.Time
	if !r.Scope.Partial {
		l.whole, l.differing = r.Time, still
	}
	l.shrink()
	return n
}

// found opens and updates what differs. It returns the IDs that the report
// names, and those among them that differ at its end.
func (l *ledger) found(r agent.Report, n *news) (named, still map[string]bool) {
	named, still = map[string]bool{}, map[string]bool{}
	fresh := map[string]bool{}
	for i, list := range [][]agent.Finding{r.Before, r.After} {
		for _, f := range list {
			if r.Scope.Partial {
				named[f.ID()] = true
			}
			if f.Severity == agent.OK || strings.HasPrefix(f.ID(), contendedKind+"/") {
				continue
			}
			if i == 1 {
				still[f.ID()] = true
			}
			if !l.differing[f.ID()] && !fresh[f.ID()] {
				fresh[f.ID()] = true
				n.came = append(n.came, f.ID())
				l.open(f, r)
			}
			l.update(f, r, i == 1)
		}
	}
	return named, still
}

func (l *ledger) open(f agent.Finding, r agent.Report) {
	l.drifts++
	l.edition++
	d := l.entries[f.ID()]
	if d == nil {
		d = &entry{Drift: Drift{ID: f.ID(), FirstSeen: r.Time}}
		l.entries[f.ID()] = d
	}
	d.after = later(d.Repaired, l.inOrder(f.ID()))
	d.Since, d.LastSeen, d.Repaired, d.Attempts, d.Got = r.Time, time.Time{}, time.Time{}, 0, ""
	d.Times++
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// update keeps the worse of what was found before and after the repair.
func (l *ledger) update(f agent.Finding, r agent.Report, after bool) {
	d := l.entries[f.ID()]
	if d == nil || d.LastSeen.Equal(r.Time) && f.Severity < d.Severity {
		return // forgotten for want of room, or told already
	}
	if f.Got != d.Got { // somebody's doing, maybe another's than before
		if d.Got != "" {
			d.after = d.LastSeen
			l.edition++
		}
		d.until = r.Time.Add(readingTime)
		if after {
			d.until = r.Time.Add(r.Took)
		}
		d.blame(agent.Actor{})
	}
	d.Severity, d.Want, d.Got, d.Why, d.LastSeen, d.Action = f.Severity, f.Want, f.Got, f.Why, r.Time, ""
	if f.Fix != nil {
		d.Action = f.Fix.String()
	}
}

// close notes what is in order again: what differed and is named no more, or
// is named as in order.
func (l *ledger) close(r agent.Report, named, still map[string]bool, n *news) {
	done, tried := map[string]bool{}, map[string]bool{}
	for _, s := range r.Done {
		tried[s.Action.String()] = true
		done[s.Action.String()] = done[s.Action.String()] || s.Err == nil
	}
	for id, d := range l.entries {
		if !d.Open() {
			continue
		}
		if tried[d.Action] {
			d.Attempts++
		}
		if still[id] || r.Scope.Partial && !named[id] {
			continue
		}
		d.Repaired = r.Time.Add(r.Took)
		if done[d.Action] {
			n.repaired = append(n.repaired, d.Repaired.Sub(d.Since))
		} else {
			d.Action = ""
		}
		n.changed = true
		l.edition++
	}
	if !r.Scope.Partial {
		return // what differs is what this report says
	}
	for id := range named {
		if still[id] {
			l.differing[id] = true
		} else {
			delete(l.differing, id)
		}
	}
}

// fights marks what is contended now.
func (l *ledger) fights(r agent.Report, n *news) {
	now := make(map[string]bool, len(r.Conflicts))
	for _, c := range r.Conflicts {
		now[c.ID()] = true
	}
	for _, ids := range []map[string]bool{l.contended, now} {
		for id := range ids {
			if d := l.entries[id]; d != nil && d.Contended != now[id] {
				d.Contended, n.changed = now[id], true
				l.edition++
			}
		}
	}
	l.contended = now
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
		out = append(out, d.Drift)
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

// restore puts back what a former run has left. What differed then is taken to
// differ still, until a report says otherwise.
func (l *ledger) restore(drifts []Drift) {
	l.entries, l.differing = map[string]*entry{}, map[string]bool{}
	for _, d := range drifts {
		d.Contended = false // fights are the loop's to tell, and it begins anew
		l.entries[d.ID] = &entry{Drift: d}
		if d.Open() {
			l.differing[d.ID] = true
		}
	}
}

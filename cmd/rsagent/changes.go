package main

import (
	"strings"
	"time"

	"rsagent/agent"
	"rsagent/health"
)

// Transitions, as the hook has them.
const (
	drifted   = "drifted"
	repaired  = "repaired"  // or in order again without us
	contended = "contended" // a fight has begun
	settled   = "settled"   // a fight is over
)

// A change is the transition of one finding.
type change struct {
	event   string
	finding agent.Finding
	drift   health.Drift // the ledger's; zero if it has none
}

// A deed is an action that was tried and has not failed in the same way before.
type deed struct {
	action string
	id     string // of the finding it mends; "" if that is not known
	failed string // why; "" if it was done
}

// changes are what a pass has brought, in the order in which it came.
type changes struct {
	at    time.Time
	found []change // at the beginning
	deeds []deed
	came  []change // during the pass
	gone  []change
}

func (c changes) none() bool { return len(c.found)+len(c.deeds)+len(c.came)+len(c.gone) == 0 }

// lists returns the changes of findings.
func (c changes) lists() [][]change { return [][]change{c.found, c.came, c.gone} }

// newChanges compares two reports: findings that are new or have changed,
// actions, and findings that are gone. A pass that found everything as the one
// before left it has none.
func newChanges(prev, now agent.Report, entry func(id string) (health.Drift, bool)) changes {
	known, before, left := byID(prev.After), byID(now.Before), byID(now.After)
	out := changes{at: now.Time, deeds: deeds(prev, now)}
	add := func(list []change, f agent.Finding, event, fight string) []change {
		if strings.HasPrefix(f.ID(), contended+"/") {
			return append(list, change{event: fight, finding: f})
		}
		d, _ := entry(f.ID())
		return append(list, change{event, f, d})
	}
	for _, f := range agent.NotOK(now.Before) {
		if old, ok := known[f.ID()]; !ok || old.Severity != f.Severity || old.Got != f.Got {
			out.found = add(out.found, f, drifted, contended)
		}
	}
	for _, f := range agent.NotOK(now.After) {
		_, old := known[f.ID()]
		if _, seen := before[f.ID()]; !seen && !old {
			out.came = add(out.came, f, drifted, contended)
		}
	}
	for _, f := range union(agent.NotOK(prev.After), agent.NotOK(now.Before)) {
		if _, still := left[f.ID()]; !still {
			out.gone = add(out.gone, f, repaired, settled)
		}
	}
	return out
}

func deeds(prev, now agent.Report) []deed {
	ids := map[agent.Action]string{}
	for _, list := range [][]agent.Finding{now.After, now.Before} {
		for _, f := range list {
			if f.Fix != nil {
				ids[f.Fix] = f.ID()
			}
		}
	}
	failing := failures(prev)
	var out []deed
	for _, s := range now.Done {
		d := deed{action: s.Action.String(), id: ids[s.Action]}
		if s.Err != nil {
			if d.failed = reason(s); failing[d.action] == d.failed {
				continue
			}
		}
		out = append(out, d)
	}
	return out
}

func byID(findings []agent.Finding) map[string]agent.Finding {
	out := map[string]agent.Finding{}
	for _, f := range agent.NotOK(findings) {
		out[f.ID()] = f
	}
	return out
}

func failures(r agent.Report) map[string]string {
	out := map[string]string{}
	for _, s := range r.Failed() {
		out[s.Action.String()] = reason(s)
	}
	return out
}

// union returns the findings of both, each ID once, in their order.
func union(a, b []agent.Finding) []agent.Finding {
	seen := map[string]bool{}
	var out []agent.Finding
	for _, list := range [][]agent.Finding{a, b} {
		for _, f := range list {
			if !seen[f.ID()] {
				seen[f.ID()] = true
				out = append(out, f)
			}
		}
	}
	return out
}

package health

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/sysctl"
)

const rpFilter = "sysctl/net.ipv4.conf.all.rp_filter"

// moment is a time in milliseconds since some second.
func moment(ms int) time.Time {
	return time.UnixMilli(1_800_000_000_000 + int64(ms)).UTC()
}

func wrote(ms int, value, comm string) agent.AuditRecord {
	return agent.AuditRecord{Time: moment(ms), Subject: agenttest.Subject(rpFilter), Old: "0", New: value, By: agent.Actor{PID: 4711, Comm: comm}}
}

// look is a focused report of a pass that found rp_filter at a value and, if
// that was wrong, repaired it within a millisecond.
func look(ms int, value string, traces ...agent.AuditRecord) agent.Report {
	fix := agent.SetSysctl{Key: sysctl.Key{Scope: sysctl.All, Name: sysctl.RPFilter}}
	found := agent.Finding{Subject: agenttest.Subject(rpFilter), Want: "0", Got: value, Fix: fix}
	fine := agent.Finding{Subject: agenttest.Subject(rpFilter), Want: "0", Got: "0"}
	r := agent.Report{Time: moment(ms), Took: time.Millisecond, Scope: agent.Scope{Partial: true, Settings: true}, Audit: traces, Before: []agent.Finding{fine}, After: []agent.Finding{fine}}
	if value != "0" {
		found.Severity = agent.Critical
		r.Before, r.Done = []agent.Finding{found}, []agent.Step{{Repair: agent.Repair{Action: fix}}}
	}
	return r
}

func TestAttribution(t *testing.T) {
	t.Parallel()
	start := agent.Report{Time: moment(0), Took: time.Millisecond}
	for _, test := range []struct {
		name    string
		reports []agent.Report
		want    string
	}{
		{"seen with the drift", []agent.Report{look(100, "1", wrote(99, "1", "sysctl"))}, "sysctl[4711] uid 0"},
		{"seen before the write", []agent.Report{look(100, "0", wrote(99, "1", "sysctl")), look(101, "1")}, "sysctl[4711] uid 0"},
		{"a while after", []agent.Report{look(100, "1"), look(180, "0", wrote(99, "1", "sysctl"))}, "sysctl[4711] uid 0"},
		{"after a rest", []agent.Report{look(100, "1"), look(1300, "0", wrote(99, "1", "sysctl"))}, "sysctl[4711] uid 0"},
		{"too long after", []agent.Report{look(100, "1"), look(3200, "0", wrote(99, "1", "sysctl"))}, "unknown"},
		{"another value", []agent.Report{look(100, "1", wrote(99, "2", "sysctl"))}, "unknown"},
		{"no value", []agent.Report{look(100, "1", wrote(99, "", "sysctl"))}, "sysctl[4711] uid 0"},
		{"another thing", []agent.Report{look(100, "1", agent.AuditRecord{Time: moment(99), Subject: agenttest.Subject("sysctl/net.ipv4.conf.eth0.rp_filter"), New: "1", By: agent.Actor{PID: 1}})}, "unknown"},
		{"nobody", []agent.Report{look(100, "1", agent.AuditRecord{Time: moment(99), Subject: agenttest.Subject(rpFilter), New: "1"})}, "unknown"},
		{"the last writer", []agent.Report{look(100, "1", wrote(98, "1", "first"), wrote(99, "1", "last"))}, "last[4711] uid 0"},
		{"the last of that value", []agent.Report{look(100, "1", wrote(98, "1", "first"), wrote(99, "0", "last"))}, "first[4711] uid 0"},
		{"undone before the drift", []agent.Report{look(50, "0", wrote(20, "1", "early")), look(100, "1")}, "unknown"},
		{"told late of what was undone", []agent.Report{look(50, "0"), look(100, "1", wrote(20, "1", "early"))}, "unknown"},
		{"after the reading", []agent.Report{look(100, "1", wrote(140, "1", "late"))}, "unknown"},
		{"after the repair", []agent.Report{look(100, "1"), look(110, "0", wrote(105, "1", "late"))}, "unknown"},
		{"the second time", []agent.Report{look(100, "1", wrote(99, "1", "first")), look(110, "1", wrote(109, "1", "second"))}, "second[4711] uid 0"},
		{"one writer of two", []agent.Report{look(100, "1", wrote(99, "1", "first")), look(110, "1")}, "unknown"},
		{"a trace of the first time", []agent.Report{look(100, "1"), look(110, "1", wrote(99, "1", "first"))}, "unknown"},
		{"the value that is there now", []agent.Report{open(look(100, "1", wrote(99, "1", "first"))), open(look(200, "2", wrote(199, "2", "second")))}, "second[4711] uid 0"},
		{"the same value, again", []agent.Report{open(look(100, "1", wrote(99, "1", "first"))), open(look(200, "1", wrote(199, "1", "second")))}, "first[4711] uid 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var l ledger
			l.add(start)
			for _, r := range test.reports {
				l.add(r)
			}
			if got := l.list()[0].By; got != test.want {
				t.Errorf("by %s, want %s: %+v", got, test.want, l.list()[0])
			}
		})
	}
}

// open makes a report one of a repair that failed.
func open(r agent.Report) agent.Report {
	r.After, r.Done = r.Before, nil
	return r
}

// What is known of a writer is in fields of its own, what is not is left out.
func TestAuthor(t *testing.T) {
	t.Parallel()
	for _, a := range []agent.Actor{{}, {PID: 7}, {PID: 7, Comm: "sysctl"}, {PID: 7, Comm: "tuned", UID: 1000}} {
		var d Drift
		d.blame(a)
		if diff := cmp.Diff(a, d.Author()); diff != "" || d.By != a.String() || (d.ByUID != nil) != (a.Comm != "") {
			t.Errorf("%+v: %s", d, diff)
		}
	}
}

// Traces that explain nothing are not kept, however many come.
func TestTracesAreBounded(t *testing.T) {
	t.Parallel()
	var l ledger
	var many []agent.AuditRecord
	for i := range 3 * maxTraces {
		many = append(many, agent.AuditRecord{Time: moment(100), Subject: agent.Subject{Kind: agent.KindRPFilter, Key: sysctl.Key{Scope: fmt.Sprint("eth", i), Name: sysctl.RPFilter}}, By: agent.Actor{PID: 1}})
	}
	l.add(look(100, "0", many...))
	if len(l.traces) != maxTraces {
		t.Errorf("%d traces kept", len(l.traces))
	}
	if l.add(look(1300, "0")); len(l.traces) != 0 {
		t.Errorf("%d old traces", len(l.traces))
	}
}

package main

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/health"
	"rsagent/sysctl"
)

const rpFilter = "sysctl/net.ipv4.conf.all.rp_filter"

// repair is the report of a pass that found rp_filter wrong and mended it.
func repair(traces ...agent.AuditRecord) agent.Report {
	fix := agent.SetSysctl{Key: sysctl.Key{Scope: sysctl.All, Name: sysctl.RPFilter}}
	return agent.Report{
		Time: time.Now(), Took: 1200 * time.Microsecond, Scope: agent.Scope{Partial: true, Settings: true}, Audit: traces, Done: []agent.Step{{Repair: agent.Repair{Action: fix}}},
		Before: []agent.Finding{{Subject: agenttest.Subject(rpFilter), Severity: agent.Critical, Want: "0", Got: "1", Fix: fix}},
		After:  []agent.Finding{{Subject: agenttest.Subject(rpFilter), Want: "0", Got: "0"}},
	}
}

func trace() agent.AuditRecord {
	return agent.AuditRecord{Time: time.Now(), Subject: agenttest.Subject(rpFilter), Old: "0", New: "1", By: agent.Actor{PID: 4711, Comm: "sysctl"}}
}

const told3 = `level=error msg=drift action="sysctl -w net.ipv4.conf.all.rp_filter=0" by=AUTHOR got=1 id=sysctl/net.ipv4.conf.all.rp_filter severity=critical want=0
level=info msg=done action="sysctl -w net.ipv4.conf.all.rp_filter=0" id=sysctl/net.ipv4.conf.all.rp_filter
level=info msg="in order again" action="sysctl -w net.ipv4.conf.all.rp_filter=0" by=AUTHOR got=1 id=sysctl/net.ipv4.conf.all.rp_filter took=1.2ms want=0
`

func by(author string) string { return strings.ReplaceAll(told3, "AUTHOR", author) }

// The line waits for an author where one may still come, for a tenth of a
// second at most, and the pass does not wait for the line.
func TestTellerWaitsForTheAuthor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		sources []health.Source
		late    time.Duration // after which the trace comes; 0: never
		waits   time.Duration
		want    string
	}{
		{"no source that names writers", []health.Source{{Name: "netlink"}}, 50 * time.Millisecond, 0, by("unknown")},
		{"a late trace", []health.Source{{Name: "bpf"}}, 50 * time.Millisecond, 50 * time.Millisecond, by(`"sysctl[4711] uid 0"`)},
		{"no trace", []health.Source{{Name: "bpf"}}, 0, authorWait, by("unknown")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log, out := testLog()
				h := health.New(health.Config{})
				h.SetSources(test.sources)
				teller := newTeller(log, h, nil)
				report := func(r agent.Report) {
					h.Report(r, nil)
					teller.report(part(agent.Report{}, r), r)
				}
				start, seen := time.Now(), trace()
				report(repair())
				if time.Since(start) > 0 {
					t.Error("the pass had to wait")
				}
				if test.late > 0 {
					time.AfterFunc(test.late, func() {
						report(agent.Report{Time: time.Now(), Scope: agent.Scope{Partial: true, Settings: true}, Audit: []agent.AuditRecord{{Time: seen.Time.Add(time.Microsecond), Subject: seen.Subject, New: "1", By: seen.By}}})
					})
				}
				told := time.Duration(-1)
				for told < 0 && time.Since(start) < time.Second {
					synctest.Wait()
					if out.String() != "" {
						told = time.Since(start)
						break
					}
					time.Sleep(5 * time.Millisecond)
				}
				if diff := cmp.Diff(test.want, out.String()); diff != "" || told != test.waits {
					t.Errorf("told after %s, want %s (-want +got):\n%s", told, test.waits, diff)
				}
				teller.end()
			})
		})
	}
}

// What waits is told at the end, and a backlog waits for nobody.
func TestTellerTellsAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, out := testLog()
		h := health.New(health.Config{})
		h.SetSources([]health.Source{{Name: "bpf"}})
		teller := newTeller(log, h, nil)
		start := time.Now()
		for range 3 * tellable {
			r := repair()
			h.Report(r, nil)
			teller.report(part(agent.Report{}, r), r)
		}
		synctest.Wait()
		if n := strings.Count(out.String(), "msg=drift"); n != 2*tellable {
			t.Errorf("%d drifts told at once, want %d", n, 2*tellable)
		}
		teller.end()
		if n := strings.Count(out.String(), "msg=drift"); n != 3*tellable || time.Since(start) > 0 {
			t.Errorf("%d drifts told after %s, want %d at once", n, time.Since(start), 3*tellable)
		}
	})
}

// A thousand lost VIPs are not a thousand lines; fights have words of their
// own, and what has not changed has none.
func TestChangesAreLogged(t *testing.T) {
	t.Parallel()
	log, out := testLog()
	none := func(string) (health.Drift, bool) { return health.Drift{}, false }
	var many []agent.Finding
	for range 1000 {
		many = append(many, agent.Finding{Subject: agent.Subject{Kind: agent.KindVIP, Device: "tunl0", VIP: netip.AddrFrom4([4]byte{10, 0, byte(len(many) >> 8), byte(len(many))})}, Severity: agent.Critical, Want: "present", Got: "absent"})
	}
	newChanges(agent.Report{}, agent.Report{Before: many, After: many}, none).log(log)
	if n := strings.Count(out.String(), "\n"); n != most+1 || !strings.Contains(out.String(), `msg="and more findings" more=980`) {
		t.Errorf("%d lines:\n%s", n, out)
	}
	if c := newChanges(agent.Report{After: many}, agent.Report{Before: many, After: many}, none); !c.none() {
		t.Errorf("changes of nothing: %d, %d, %d", len(c.found), len(c.came), len(c.gone))
	}
	log, out = testLog()
	fight := []agent.Finding{{Subject: agenttest.Subject("contended/" + rpFilter), Severity: agent.Warning, Want: "left alone", Got: "undone 12 times in 3s"}}
	newChanges(agent.Report{}, agent.Report{After: fight}, none).log(log)
	newChanges(agent.Report{After: fight}, agent.Report{}, none).log(log)
	want := `level=warning msg=contended got="undone 12 times in 3s" id=contended/sysctl/net.ipv4.conf.all.rp_filter severity=warning want="left alone"
level=info msg="in order again" got="undone 12 times in 3s" id=contended/sysctl/net.ipv4.conf.all.rp_filter want="left alone"
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What a partial report has ended is not ended again by the whole report that
// follows, and what it has found is not found again.
func TestPartialReportIsMergedOnce(t *testing.T) {
	t.Parallel()
	none := func(string) (health.Drift, bool) { return health.Drift{}, false }
	finding := func(id string, s agent.Severity) agent.Finding {
		return agent.Finding{Subject: agenttest.Subject(id), Severity: s, Want: "0", Got: s.String()}
	}
	open := agent.Report{After: []agent.Finding{finding(rpFilter, agent.Critical), finding("senders", agent.Warning)}}
	const vip = "addr/tunl0/172.25.84.100"
	partial := agent.Report{
		Scope: agent.Scope{Partial: true, Settings: true},
		After: []agent.Finding{finding(rpFilter, agent.OK), finding(vip, agent.Critical)},
	}
	prev := merged(open, partial)
	whole := []agent.Finding{finding(rpFilter, agent.OK), finding(vip, agent.Critical), finding("senders", agent.Warning)}
	if c := newChanges(prev, agent.Report{Before: whole, After: whole}, none); !c.none() {
		t.Errorf("the whole report brings %+v", c)
	}
	if len(open.After) != 2 {
		t.Errorf("the earlier report was changed: %v", open.After)
	}
}

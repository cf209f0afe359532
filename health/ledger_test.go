package health

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"rsagent/agent"
)

func TestLedger(t *testing.T) {
	t.Parallel()
	var l ledger
	up := agent.LinkUp{Device: "tunl0"}
	down := critical("link/tunl0/up")
	down.Fix = up
	start := time.Now()
	at := func(i int) time.Time { return start.Add(time.Duration(i) * time.Second) }
	l.add(agent.Report{Time: at(0)})
	// Found and repaired in one pass.
	l.add(agent.Report{Time: at(1), Took: time.Millisecond, Before: []agent.Finding{down}, Done: []agent.Step{{Repair: agent.Repair{Action: up}}}})
	d := l.list()[0]
	if d.Open() || d.Times != 1 || d.Action != "ip link set dev tunl0 up" || !d.Repaired.Equal(at(1).Add(time.Millisecond)) || d.By != "unknown" || d.Attempts != 1 {
		t.Errorf("repaired: %+v", d)
	}
	// Found again and not repaired, twice; then gone by itself.
	failed := []agent.Step{{Repair: agent.Repair{Action: up}, Err: errors.New("no")}}
	for i := range 2 {
		l.add(agent.Report{Time: at(2 + i), Before: []agent.Finding{down}, After: []agent.Finding{down}, Done: failed})
	}
	d = l.list()[0]
	if !d.Open() || d.Times != 2 || d.Attempts != 2 || !d.FirstSeen.Equal(at(1)) || !d.Since.Equal(at(2)) || !d.LastSeen.Equal(at(3)) {
		t.Errorf("not repaired: %+v", d)
	}
	l.add(agent.Report{Time: at(4)})
	if d = l.list()[0]; d.Open() || d.Action != "" || l.drifts != 2 {
		t.Errorf("gone: %+v, %d", d, l.drifts)
	}
}

// What is found and repaired between whole looks is told as well, and nothing
// else is taken for repaired.
func TestLedgerOfFocusedReports(t *testing.T) {
	t.Parallel()
	var l ledger
	add := agent.AddAddr{Device: "tunl0"}
	vip, other := critical("addr/tunl0/192.0.2.1"), critical("link/tunl0/up")
	vip.Fix = add
	inOrder := agent.Finding{Subject: vip.Subject, Severity: agent.OK}
	l.add(agent.Report{Time: time.Unix(0, 0), Before: []agent.Finding{other}, After: []agent.Finding{other}})
	for i := range 3 {
		l.add(agent.Report{
			Time: time.Unix(int64(i+1), 0), Scope: agent.Scope{Partial: true, Settings: true},
			Before: []agent.Finding{vip}, After: []agent.Finding{inOrder}, Done: []agent.Step{{Repair: agent.Repair{Action: add}}},
		})
	}
	for _, d := range l.list() {
		switch {
		case d.ID == other.ID() && d.Open() && d.Times == 1:
		case d.ID == vip.ID() && !d.Open() && d.Times == 3 && d.Attempts == 1 && d.Action == add.String():
		default:
			t.Errorf("%+v", d)
		}
	}
	if l.drifts != 4 || len(l.list()) != 2 {
		t.Errorf("%d drifts of %d things, want 4 of 2", l.drifts, len(l.list()))
	}
}

func TestLedgerIsBounded(t *testing.T) {
	t.Parallel()
	var l ledger
	var many []agent.Finding
	for i := range 3 * ledgerSize {
		many = append(many, critical(fmt.Sprintf("addr/tunl0/10.0.%d.%d", i/256, i%256)))
	}
	for i := range 3 {
		l.add(agent.Report{Time: time.Unix(int64(i), 0), Before: many, After: many})
	}
	if len(l.entries) != ledgerSize || l.drifts != len(many) {
		t.Errorf("%d entries, %d drifts; want %d, %d", len(l.entries), l.drifts, ledgerSize, len(many))
	}
}

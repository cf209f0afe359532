package health

import (
	"context"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

const ledgerName = "ledger-1.json"

func ledgerConfig(dir string, said *[]string) Config {
	cfg := testConfig()
	cfg.StateDir, cfg.LedgerFile = dir, ledgerName
	cfg.Complain = func(err error) { *said = append(*said, err.Error()) }
	return cfg
}

// drifted is a ledger with one that is repaired and explained, one that
// somebody fights over and one that differs still.
func drifted(l *ledger) {
	l.add(agent.Report{Time: moment(0), Took: time.Millisecond})
	l.add(look(100, "1", wrote(99, "1", "sysctl")))
	fight := look(250, "1", wrote(249, "1", "tuned"))
	fight.Conflicts = []agent.Conflict{{Subject: agenttest.Subject(rpFilter)}}
	l.add(fight)
	gone := critical("addr/tunl0/172.25.84.100")
	gone.Why = "packets for the VIP are not ours."
	gone.Fix = agent.AddAddr{Device: "tunl0", Prefix: netip.PrefixFrom(vipA, 32), Label: "tunl0:rs"}
	l.add(agent.Report{
		Time: moment(300), Took: time.Millisecond, Scope: agent.Scope{Partial: true, Settings: true}, Conflicts: fight.Conflicts,
		Before: []agent.Finding{gone}, After: []agent.Finding{gone},
	})
}

// /drift is an interface: its letters are held.
func TestDriftJSON(t *testing.T) {
	t.Parallel()
	var l ledger
	drifted(&l)
	s := Snapshot{Node: "rs1", Drifts: l.list(), Totals: Totals{Drifts: l.drifts, Repaired: 2}}
	got := encode(s.driftJSON())
	path := "testdata/drift.json"
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(read(t, path), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The ledger outlives the agent, whatever ends it, but for its last second.
func TestLedgerSurvives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir, said := t.TempDir(), []string{}
		h := New(ledgerConfig(dir, &said))
		h.listen = nobody
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); h.Run(ctx) }()
		h.Report(inOrder(critical("link/tunl0/up")), nil)
		time.Sleep(ledgerEvery + time.Millisecond)
		killed := New(ledgerConfig(dir, &said)).Snapshot().Drifts
		if diff := cmp.Diff(h.Snapshot().Drifts, killed); diff != "" || len(killed) != 1 || !killed[0].Open() {
			t.Errorf("after a second: %+v (-kept +read):\n%s", killed, diff)
		}
		h.Report(inOrder(critical("route/172.25.84.101")), nil)
		cancel()
		<-done
		after := New(ledgerConfig(dir, &said))
		if diff := cmp.Diff(h.Snapshot().Drifts, after.Snapshot().Drifts); diff != "" || len(h.Snapshot().Drifts) != 2 {
			t.Errorf("after the end (-kept +read):\n%s", diff)
		}
		// What differed then and differs still has not come up again.
		after.Report(inOrder(critical("route/172.25.84.101")), nil)
		if d, _ := after.Drift("route/172.25.84.101"); d.Times != 1 || !d.Open() {
			t.Errorf("still: %+v", d)
		}
		after.Report(inOrder(critical("link/tunl0/up")), nil)
		if d, _ := after.Drift("link/tunl0/up"); d.Times != 2 || !d.Open() {
			t.Errorf("again: %+v", d)
		}
		if d, _ := after.Drift("route/172.25.84.101"); d.Open() {
			t.Errorf("in order again: %+v", d)
		}
		if len(said) > 0 {
			t.Errorf("complaints: %q", said)
		}
	})
}

// A long life with a standing warning writes no file a second.
func TestLedgerIsWrittenOnChange(t *testing.T) {
	t.Parallel()
	var l ledger
	drift := critical("link/tunl0/up")
	for i := range 3 {
		l.add(agent.Report{Time: moment(i), Before: []agent.Finding{drift}, After: []agent.Finding{drift}})
		if l.edition != 1 {
			t.Errorf("edition %d after report %d", l.edition, i)
		}
	}
}

// Who only observes makes no directory.
func TestLedgerMakesNoDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	if err := writeLedger(dir, ledgerName, nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory: %v", err)
	}
}

// What cannot be understood is set aside, said once, and not fatal.
func TestDamagedLedger(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, says string }{
		"torn":  {`{"version": 1, "dri`, "not the JSON of a ledger"},
		"newer": {`{"version": 2, "drifts": []}`, "format version 2, this program writes 1"},
		"empty": {``, "not the JSON of a ledger"},
		"hole":  {`{"version": 1, "drifts": [{"id": "x", "severity": "critical"}]}`, "entry 0: a count"},
		"twice": {`{"version": 1, "drifts": [{}]}`, "entry 0: no ID of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, said := t.TempDir(), []string{}
			if err := os.WriteFile(filepath.Join(dir, ledgerName), []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := New(ledgerConfig(dir, &said)).Snapshot().Drifts; len(got) > 0 {
				t.Errorf("%+v", got)
			}
			if len(said) != 1 || !strings.Contains(said[0], c.says) || strings.Contains(said[0], "\n") {
				t.Errorf("said %q, want %q", said, c.says)
			}
			if got := read(t, filepath.Join(dir, ledgerName+".damaged")); got != c.file {
				t.Errorf("set aside: %q", got)
			}
			if New(ledgerConfig(dir, &said)); len(said) != 1 {
				t.Errorf("said again: %q", said)
			}
		})
	}
}

// Whatever the file holds, it is refused or it is a ledger that is read again
// as it was, and that takes reports.
func FuzzLedgerFile(f *testing.F) {
	var l ledger
	drifted(&l)
	b, err := json.Marshal(ledgerFile{ledgerVersion, l.list()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1,"drifts":null}`))
	f.Add([]byte(`{"version":1,"drifts":[{"id":"a","severity":"warning","times":1,"by":"x","first_seen":"2026-01-01T00:00:00Z","since":"2026-01-01T00:00:00Z","last_seen":"2026-01-01T00:00:00+23:59"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		drifts, err := parseLedger(b)
		if err != nil {
			if drifts != nil {
				t.Error("entries beside an error")
			}
			return
		}
		out, err := json.Marshal(ledgerFile{ledgerVersion, drifts})
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseLedger(out)
		if err != nil {
			t.Fatal(err)
		}
		var l ledger
		l.restore(again)
		if len(l.list()) != len(drifts) {
			t.Errorf("%d entries of %d", len(l.list()), len(drifts))
		}
		drifted(&l)
		l.add(agent.Report{Time: moment(1000)})
		for _, d := range l.list() {
			if d.Open() {
				t.Errorf("%s differs, and nothing does", d.ID)
			}
		}
	})
}

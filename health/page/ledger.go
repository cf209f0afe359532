package page

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"rsagent/agent"
	"rsagent/health"
)

// A Ledger is what /drift answers, as a client reads it.
type Ledger struct {
	Node   string         `json:"node"`
	Total  int            `json:"drift_total"` // since the start
	Drifts []health.Drift `json:"drifts"`
}

// DecodeLedger reads the body of /drift.
func DecodeLedger(r io.Reader) (Ledger, error) {
	var l Ledger
	if err := json.NewDecoder(r).Decode(&l); err != nil {
		return Ledger{}, fmt.Errorf("drift: %w", err)
	}
	return l, nil
}

// LedgerText prints the whole ledger for people, a line for each entry: when,
// what, from what to what, by whom, repaired after how long, how often. A nil
// paint leaves it plain. The error is that of w.
func LedgerText(w io.Writer, l Ledger, paint Paint) error {
	if paint == nil {
		paint = func(_ agent.Severity, text string) string { return text }
	}
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s  %s since the start, %s in the ledger\n", l.Node, plural(l.Total, "drift"), count(len(l.Drifts)))
	rows := [][]string{{"SINCE", "WHAT", "CHANGE", "BY", "IN ORDER", "TIMES"}}
	for _, d := range l.Drifts {
		rows = append(rows, ledgerRow(d))
	}
	wide := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			wide[i] = max(wide[i], len([]rune(cell)))
		}
	}
	if len(l.Drifts) > 0 {
		fmt.Fprintln(b)
	}
	for i, row := range rows[:len(l.Drifts)+min(len(l.Drifts), 1)] {
		line := "  "
		for column, cell := range row {
			pad := strings.Repeat(" ", wide[column]-len([]rune(cell))+2)
			if i > 0 && column == 1 && l.Drifts[i-1].Open() {
				cell = paint(l.Drifts[i-1].Severity, cell)
			}
			line += cell + pad
		}
		fmt.Fprintln(b, strings.TrimRight(line, " "))
	}
	return b.Flush()
}

func ledgerRow(d health.Drift) []string {
	after := "not yet"
	switch {
	case d.Open() && d.Attempts > 0:
		after = fmt.Sprintf("not yet, after %s", plural(d.Attempts, "attempt"))
	case !d.Open() && d.Action == "":
		after = "after " + span(d.Repaired.Sub(d.Since)) + ", not by us"
	case !d.Open():
		after = "after " + span(d.Repaired.Sub(d.Since))
	}
	times := count(d.Times)
	if d.Contended {
		times += ", contended"
	}
	return []string{
		d.Since.UTC().Format(time.RFC3339), clip(d.ID, 80), clip(d.Want, 40) + " → " + clip(d.Got, 40), clip(d.By, 40), after, times,
	}
}

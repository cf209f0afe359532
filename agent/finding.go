package agent

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Severity says how bad a finding is. Larger is worse: what could not be told
// outranks a warning, because it may hide something critical.
type Severity int

const (
	OK Severity = iota
	Warning
	Unknown
	Critical
)

var severityNames = [...]string{"ok", "warning", "unknown", "critical"}

// String returns the name used in every output.
func (s Severity) String() string {
	if s < 0 || int(s) >= len(severityNames) {
		return fmt.Sprintf("severity(%d)", int(s))
	}
	return severityNames[s]
}

// MarshalText and UnmarshalText use the names of String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText accepts exactly what String returns.
func (s *Severity) UnmarshalText(b []byte) error {
	i := slices.Index(severityNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("severity %q: want ok, warning, unknown or critical", b)
	}
	*s = Severity(i)
	return nil
}

// A Finding is one thing looked at: what was wanted, what was found, why it
// matters, and the one action that would mend it.
type Finding struct {
	// ID is stable and part of the interface: link/tunl0/up,
	// addr/tunl0/172.25.84.100, sysctl/net.ipv4.conf.all.rp_filter …
	ID       string
	Severity Severity
	Want     string
	Got      string
	Why      string // one or two sentences; empty when in order
	Fix      Action // nil: in order, or not ours to change
	// Row is how a table shows the finding; nil keeps it out of tables (a key
	// that is in order and only has to be written once).
	Row *Row
}

// Row is a line of a table about a finding.
type Row struct{ Subject, Name, Want, Got string }

// MarshalJSON writes the finding as the contract has it: id, severity, want,
// got, why, fix; fix is the command, or absent.
func (f Finding) MarshalJSON() ([]byte, error) {
	out := struct {
		ID       string   `json:"id"`
		Severity Severity `json:"severity"`
		Want     string   `json:"want"`
		Got      string   `json:"got"`
		Why      string   `json:"why"`
		Fix      string   `json:"fix,omitempty"`
	}{f.ID, f.Severity, f.Want, f.Got, f.Why, ""}
	if f.Fix != nil {
		out.Fix = f.Fix.String()
	}
	return json.Marshal(out)
}

// Drift returns the findings that are not in order.
func Drift(findings []Finding) []Finding {
	var out []Finding
	for _, f := range findings {
		if f.Severity != OK {
			out = append(out, f)
		}
	}
	return out
}

// Worst returns the largest severity, OK for none.
func Worst(findings []Finding) Severity {
	worst := OK
	for _, f := range findings {
		worst = max(worst, f.Severity)
	}
	return worst
}

// Count returns how many findings have the severity.
func Count(findings []Finding, s Severity) int {
	n := 0
	for _, f := range findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

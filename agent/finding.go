package agent

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"rsagent/sysctl"
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

// A Subject is what a finding is about. Subjects are comparable; which fields
// are set depends on the kind.
type Subject struct {
	Kind   Kind
	Of     Kind       // of a conflict: the kind of the finding that it is about
	Device string     // the name it has now
	VIP    netip.Addr // or another address
	Bits   int        // the prefix length, where the address is on the device twice
	Key    sysctl.Key
	Name   string // of a module or a file; the path of a service
	Port   uint16 // of a service
}

// ID returns the stable name of the finding, which is part of the interface:
// link/tunl0/up, addr/tunl0/172.25.84.100, sysctl/net.ipv4.conf.all.rp_filter …
func (s Subject) ID() string {
	switch s.Kind {
	case 0:
		return "" // of a repair that no finding asked for
	case KindConflict:
		return "contended/" + s.conflicting().ID()
	}
	return kinds[s.Kind].id(s)
}

// Conflict returns the subject of a conflict over what s is about.
func (s Subject) Conflict() Subject {
	s.Kind, s.Of = KindConflict, s.Kind
	return s
}

// conflicting is the inverse of Conflict.
func (s Subject) conflicting() Subject {
	s.Kind, s.Of = s.Of, 0
	return s
}

// Hop returns where on the way of a request the finding is drawn.
func (s Subject) Hop() Hop {
	switch {
	case s.Kind == KindConflict:
		return s.conflicting().Hop()
	case s.Kind == KindPersistKey && kindOfKey(s.Key) == KindARP:
		return HopNIC
	}
	return kinds[s.Kind].hop
}

// Needed reports whether readiness cannot be judged while the finding is
// Unknown.
func (s Subject) Needed() bool { return kinds[s.Kind].needed }

// SubjectOf returns what a finding about a setting is about.
func SubjectOf(key sysctl.Key) Subject { return Subject{Kind: kindOfKey(key), Key: key} }

// Affects says which VIPs' requests a finding is about. The zero value is none.
type Affects struct {
	All bool
	VIP netip.Addr // valid if it is this one alone
}

// MarshalJSON writes a list: empty, ["all"], or the VIP.
func (a Affects) MarshalJSON() ([]byte, error) {
	list := []string{}
	switch {
	case a.All:
		list = append(list, "all")
	case a.VIP.IsValid():
		list = append(list, a.VIP.String())
	}
	return json.Marshal(list)
}

// A Finding is one thing that was compared: what was wanted, what was found,
// why it matters, and the one action that would mend it.
type Finding struct {
	Subject
	Severity Severity
	Want     string
	Got      string
	Why      string // one or two sentences; empty if OK
	Fix      Action // nil: nothing to do, or not ours to change
	// Row is how a table shows the finding; nil keeps it out of tables (a key
	// that is right and only has to be written once).
	Row *Row
}

// Row is a line of a table about a finding.
type Row struct{ Subject, Name, Want, Got string }

// Affects returns whose requests the finding is about.
func (f Finding) Affects() Affects {
	switch kinds[f.Kind].reach {
	case reachAll:
		return Affects{All: true}
	case reachVIP:
		return Affects{VIP: f.VIP}
	}
	return Affects{}
}

// Hop returns where on the way of a request the finding is drawn: for a stray
// VIP at the NIC where this host answers ARP for it, else at the VIP.
func (f Finding) Hop() Hop {
	if f.Kind == KindStray && f.Severity != Critical {
		return HopVIP
	}
	return f.Subject.Hop()
}

// MarshalJSON writes the finding as the contract has it: id, severity, want,
// got, why, fix, affects; fix is the command, or absent.
func (f Finding) MarshalJSON() ([]byte, error) {
	out := struct {
		ID       string   `json:"id"`
		Severity Severity `json:"severity"`
		Want     string   `json:"want"`
		Got      string   `json:"got"`
		Why      string   `json:"why"`
		Fix      string   `json:"fix,omitempty"`
		Affects  Affects  `json:"affects"`
	}{f.ID(), f.Severity, f.Want, f.Got, f.Why, "", f.Affects()}
	if f.Fix != nil {
		out.Fix = f.Fix.String()
	}
	return json.Marshal(out)
}

// NotOK returns the findings that are not OK.
func NotOK(findings []Finding) []Finding {
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

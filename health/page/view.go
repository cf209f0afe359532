package page

import (
	"fmt"
	"strings"
	"time"

	"rsagent/agent"
	"rsagent/health"
)

// A View is what the page shows, all words chosen and all lists bounded.
type View struct {
	Node, Version, Config string
	Age                   string // of what is shown: "looked 1 s ago"
	Time                  string // RFC 3339
	Headline              string // In order, Drifted, Draining, Could not tell
	State                 State
	Summary               string
	Ready                 bool
	ReadyWord             string
	ReadyState            State
	Reasons               []string
	MoreReasons           int
	Drain                 string
	Problem               string
	Refused               string
	Contended             []string // sentences
	Would                 []string // commands that are only reported
	MoreWould             int
	Events                string // where changes are heard of
	Hops                  []Hop
	VIPs                  VIPTable
	Drifts                DriftList
	Plot                  Plot
}

// maxShown is how many reasons are shown: the hops tell the rest.
const maxShown = 5

// NewView returns the view of a snapshot and of the rates of the tunnel's
// traffic, the oldest first. It is pure.
func NewView(s health.Snapshot, rates []Rate) View {
	st := s.Status()
	v := View{
		Node: s.Node, Version: s.Version, Config: s.Config,
		Age: age(s), Time: s.Now.UTC().Format(time.RFC3339),
		Ready: s.Verdict.Ready,
		Drain: drain(s), Problem: clip(s.Problem, 400),
		Hops: Hops(s, latest(rates, s.Now)), VIPs: newVIPTable(s), Drifts: newDriftList(s),
		Plot: NewPlot(rates, s.Now),
	}
	v.daemon(s)
	v.readiness(s)
	v.headline(s, st)
	for _, r := range s.Verdict.Reasons {
		if r.Code == health.CodeDraining {
			continue // said on its own line
		}
		if len(v.Reasons) == maxShown {
			v.MoreReasons++
			continue
		}
		v.Reasons = append(v.Reasons, clip(sentence(r), 300))
	}
	return v
}

// daemon tells how the agent itself goes.
func (v *View) daemon(s health.Snapshot) {
	v.Refused = clip(s.Refused, 400)
	for _, c := range s.Report.Conflicts[:min(len(s.Report.Conflicts), maxShown)] {
		text := fmt.Sprintf("%s is contended: undone %d times", c.ID(), c.Times)
		if c.By.Known() {
			text += ", last by " + c.By.String()
		}
		v.Contended = append(v.Contended, clip(strings.Join(append([]string{text + "."}, c.Owner...), " "), 400))
	}
	shown := s.Report.Would[:min(len(s.Report.Would), maxShown)]
	for _, a := range shown {
		v.Would = append(v.Would, a.Action.String())
	}
	v.MoreWould = len(s.Report.Would) - len(shown)
	var names []string
	for _, one := range s.Sources {
		names = append(names, one.Name)
	}
	v.Events = strings.Join(names, ", ")
}

func (v *View) readiness(s health.Snapshot) {
	v.ReadyWord, v.ReadyState = "Not ready", Bad
	switch {
	case v.Ready:
		v.ReadyWord, v.ReadyState = "Ready", Good
	case s.Drain.Draining:
		v.ReadyState = Warn // as it was asked for
	case s.Seen.IsZero():
		v.ReadyState = Unknown
	}
}

// sentence begins with a capital unless it begins with an ID, which has none.
func sentence(r health.Reason) string {
	if r.ID != "" && strings.HasPrefix(r.Text, r.ID) {
		return r.Text
	}
	return capital(r.Text)
}

// headline chooses the word that a tired operator reads. What hides something
// comes first: a drain, then what is not known.
func (v *View) headline(s health.Snapshot, st agent.Status) {
	stale := s.Seen.IsZero() || s.Age() > s.Policy.Limit()
	v.Summary = summary(severities(st.Findings))
	switch {
	case s.Drain.Draining:
		v.Headline, v.State = "Draining", Warn
	case s.Seen.IsZero():
		v.Headline, v.State, v.Summary = "Could not tell", Unknown, "no pass has been verified yet"
	case stale:
		v.Headline, v.State = "Could not tell", Unknown
		// Without its age: this is read aloud whenever it changes.
		v.Summary = "the last look is too old to count"
	case st.State == agent.Critical:
		v.Headline, v.State = "Drifted", Bad
	case st.State == agent.Unknown:
		v.Headline, v.State = "Could not tell", Unknown
	case st.State == agent.Warning:
		v.Headline, v.State = "Drifted", Warn
	default:
		v.Headline, v.State = "In order", Good
	}
	if v.State == Good && !v.Ready {
		v.State = Warn
	}
	if s.Stopping {
		v.Summary = "the agent is shutting down; " + v.Summary
	}
}

// summary counts what is not in order: "2 critical, 1 warning".
func summary(worse []agent.Severity) string {
	var parts []string
	for _, s := range []agent.Severity{agent.Critical, agent.Unknown, agent.Warning} {
		n := 0
		for _, one := range worse {
			if one == s {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", count(n), s))
		}
	}
	if len(parts) == 0 {
		return "nothing differs from the config"
	}
	return strings.Join(parts, ", ")
}

func severities(findings []agent.Finding) []agent.Severity {
	out := make([]agent.Severity, len(findings))
	for i, f := range findings {
		out[i] = f.Severity
	}
	return out
}

func age(s health.Snapshot) string {
	if s.Seen.IsZero() {
		return "not looked yet"
	}
	return "looked " + ago(s.Age())
}

// drain says what takes the host out by hand, or nothing.
func drain(s health.Snapshot) string {
	d := s.Drain
	switch {
	case !d.Draining:
		return ""
	case d.Corrupt != "":
		return capital(d.Sentence())
	}
	text := "Drained for " + span(s.Now.Sub(d.Since))
	if left := d.Until.Sub(s.Now); !d.Until.IsZero() {
		text += fmt.Sprintf(", ends by itself in %s (%s)", span(left), d.Until.UTC().Format("15:04:05 UTC"))
	} else {
		text += ", until rsagent undrain"
	}
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	return text + ". VIPs and tunnel stay up, so open connections finish."
}

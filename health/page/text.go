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

// Status is what /status answers, as a client reads it. It differs from
// health.StatusJSON where that cannot be decoded again: a fix is text here, and
// so is the outcome of a probe.
type Status struct {
	health.StatusJSON
	Findings []Finding `json:"findings"`
	VIPs     []VIP     `json:"vips"`
}

// Finding is a finding in which the fix is a command.
type Finding struct {
	ID       string         `json:"id"`
	Severity agent.Severity `json:"severity"`
	Want     string         `json:"want"`
	Got      string         `json:"got"`
	Why      string         `json:"why"`
	Fix      string         `json:"fix"`
}

// VIP is the answer for one VIP.
type VIP struct {
	VIP     string          `json:"vip"`
	Ready   bool            `json:"ready"`
	Reasons []health.Reason `json:"reasons"`
	Probe   *struct {
		Outcome string        `json:"outcome"`
		Detail  string        `json:"detail"`
		Took    time.Duration `json:"took_ns"`
	} `json:"probe"`
}

// Decode reads the body of /status.
func Decode(r io.Reader) (Status, error) {
	var s Status
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return Status{}, fmt.Errorf("status: %w", err)
	}
	return s, nil
}

// now is the time of the agent's clock when it answered.
func (s Status) now() time.Time { return s.Evaluated.Add(time.Duration(s.Age * float64(time.Second))) }

// stale reports whether the last look no longer counts.
func (s Status) stale() bool { return s.Evaluated.IsZero() || s.Age > 3*s.Interval }

// A Paint colours text for its severity, or leaves it as it is.
type Paint func(agent.Severity, string) string

// Bounds of the text: the JSON has it all.
const (
	textVIPs   = 20
	textDrifts = 8
	textTells  = 10
)

// Text prints a status for people: the headline, whether directors may send and
// why not, VIPs with their probes and services, what is wrong with its fix, and
// the last drifts. A nil paint leaves it plain. The error is that of w.
func Text(w io.Writer, s Status, paint Paint) error {
	if paint == nil {
		paint = func(_ agent.Severity, text string) string { return text }
	}
	t := &text{w: bufio.NewWriter(w), s: s, paint: paint}
	t.header()
	t.reasons()
	t.vips()
	t.findings()
	t.daemon()
	t.drifts()
	return t.w.Flush()
}

type text struct {
	w     *bufio.Writer
	s     Status
	paint Paint
}

func (t *text) printf(format string, args ...any) { fmt.Fprintf(t.w, format, args...) }

// row prints a state, padded, and what has it.
func (t *text) row(severity agent.Severity, state, rest string) {
	if rest != "" {
		rest = strings.Repeat(" ", max(12-len(state), 1)) + strings.TrimRight(rest, " ")
	}
	t.printf("  %s%s\n", t.paint(severity, state), rest)
}

// header is the one line that a tired operator reads.
func (t *text) header() {
	severity, headline := t.headline()
	left := t.s.Node + "  " + headline
	right := fmt.Sprintf("config %.6s  rsagent %s", t.s.Config, t.s.Version)
	t.printf("%s  %s%*s\n\n", t.s.Node, t.paint(severity, headline), max(2+len(right), 88-len(left)), right)
}

func (t *text) headline() (agent.Severity, string) {
	severities := make([]agent.Severity, len(t.s.Findings))
	for i, f := range t.s.Findings {
		severities[i] = f.Severity
	}
	counts := summary(severities)
	switch {
	case t.s.Draining != nil:
		return agent.Warning, "draining, " + counts
	case t.s.Evaluated.IsZero():
		return agent.Unknown, "could not tell: no pass has been verified yet"
	case t.s.stale():
		age := time.Duration(t.s.Age * float64(time.Second))
		return agent.Unknown, fmt.Sprintf("could not tell: the last look is %s old", span(age))
	case len(t.s.Findings) == 0:
		return agent.OK, "in order"
	}
	return t.s.State, counts
}

// reasons says whether directors may send, and what speaks against it.
func (t *text) reasons() {
	severity, word := agent.Critical, "NOT READY"
	if t.s.Ready {
		severity, word = agent.OK, "ready"
	}
	note := ""
	if !t.s.Evaluated.IsZero() {
		note = "looked " + ago(time.Duration(t.s.Age*float64(time.Second)))
	}
	t.row(severity, word, note)
	for i, r := range t.s.Reasons {
		if i == textTells {
			t.printf("  %-12sand %d more\n", "", len(t.s.Reasons)-i)
			break
		}
		t.printf("  %-12s%s\n", "", sentence(r))
	}
	if t.s.Problem != "" {
		t.printf("  %-12sThe last pass could not do its work: %s\n", "", t.s.Problem)
	}
	if d := t.s.Draining; d != nil && !t.s.Evaluated.IsZero() && !d.Until.IsZero() {
		t.printf("  %-12sThe drain ends by itself in %s.\n", "", span(d.Until.Sub(t.s.now())))
	}
}

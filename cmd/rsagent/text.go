package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/agent/config"
)

// most is how many rows of a kind, or explanations, a person is shown. The
// machine-readable formats have them all.
const most = 20

// text prints for people: tables, steps, explanations. The first error is
// kept for flush.
type text struct {
	w      *bufio.Writer
	colour bool
	width  int // where explanations are broken; 0: nowhere, so that they can be searched
}

func newText(f *os.File) *text {
	t := &text{w: bufio.NewWriter(f)}
	if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil { // a terminal
		t.colour = os.Getenv("NO_COLOR") == ""
		t.width = min(max(int(size.Col), 60), 96)
	}
	return t
}

func (t *text) printf(format string, args ...any) { fmt.Fprintf(t.w, format, args...) }

func (t *text) flush() error { return t.w.Flush() }

// paint colours s for its severity.
func (t *text) paint(severity agent.Severity, s string) string {
	if !t.colour {
		return s
	}
	code := map[agent.Severity]string{agent.OK: "32", agent.Warning: "33", agent.Unknown: "35", agent.Critical: "1;31"}[severity]
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// header is the one line that a tired operator reads.
func (t *text) header(report agent.Report, cfg config.Config) {
	summary := summary(report.After)
	left := node() + "  " + summary
	right := fmt.Sprintf("config %.6s  %s", cfg.Hash(), plural(len(cfg.Desired.VIPs), "VIP"))
	t.printf("%s  %s%*s\n", node(), t.paint(report.State(), summary), max(2+len(right), 88-len(left)), right)
}

func summary(findings []agent.Finding) string {
	var parts []string
	for _, s := range []agent.Severity{agent.Critical, agent.Unknown, agent.Warning} {
		if n := agent.Count(findings, s); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	if len(parts) == 0 {
		return "in order"
	}
	return strings.Join(parts, ", ")
}

// table prints a row for each finding: state, what, want, got.
func (t *text) table(report agent.Report, cfg config.Config) {
	t.header(report, cfg)
	t.printf("\n")
	rows, left := abridge(report.After)
	var wide struct{ name, want int }
	for _, f := range rows {
		wide.name = max(wide.name, len(f.Row.Name))
		if f.Row.Got != "" {
			wide.want = max(wide.want, min(len(f.Row.Want), 32))
		}
	}
	for i, f := range rows {
		state := f.Severity.String()
		if f.Severity != agent.OK {
			state = strings.ToUpper(state)
		}
		line := fmt.Sprintf("%-9s %-*s  %-*s  %s", f.Row.Subject, wide.name, f.Row.Name, wide.want, f.Row.Want, f.Row.Got)
		if f.Row.Want == "" {
			line = fmt.Sprintf("%-9s %-*s  %s", f.Row.Subject, wide.name, f.Row.Name, f.Row.Got)
		}
		t.printf("  %s%*s %s\n", t.paint(f.Severity, state), 9-len(state), "", strings.TrimRight(line, " "))
		if n := left[i]; n > 0 {
			t.printf("  %-9s %-9s and %d more like this\n", "", "", n)
		}
	}
}

// abridge returns the findings that have a row, no more than most in a run of
// the same subject and severity, and after which of them how many were left out.
func abridge(findings []agent.Finding) (rows []agent.Finding, left map[int]int) {
	left = map[int]int{}
	type kind struct {
		subject  string
		severity agent.Severity
	}
	shown, last := map[kind]int{}, map[kind]int{}
	for _, f := range findings {
		if f.Row == nil {
			continue
		}
		k := kind{f.Row.Subject, f.Severity}
		if shown[k] == most {
			left[last[k]]++
			continue
		}
		shown[k]++
		last[k] = len(rows)
		rows = append(rows, f)
	}
	return rows, left
}

// explain says for each finding why it matters and what would fix it.
func (t *text) explain(findings []agent.Finding) {
	drift := agent.NotOK(findings)
	if len(drift) == 0 {
		return
	}
	t.printf("\n")
	for i, f := range drift {
		if i == most {
			t.printf("and %d more; rsagent check -o json has them all\n", len(drift)-most)
			break
		}
		head := fmt.Sprintf("%s (%s): ", f.ID(), f.Severity)
		t.printf("%s", t.paint(f.Severity, f.ID()))
		t.printf("%s\n", t.wrap(head, f.Why)[len(f.ID()):])
		if f.Fix != nil {
			t.printf("  fix  %s\n", f.Fix)
		}
	}
}

func (t *text) footer(report agent.Report, want agent.Desired) {
	t.left(report, want)
	if n := len(report.Plan); n > 0 {
		t.printf("\nrsagent apply would run %s; see %s with rsagent apply --dry-run.\n", plural(n, "command"), map[bool]string{true: "it", false: "them"}[n == 1])
	}
}

// left says what is only reported.
func (t *text) left(report agent.Report, want agent.Desired) {
	switch {
	case len(report.Would) == 0:
	case want.ObserveOnly:
		t.printf("\nmode is observe, so nothing is changed; rsagent apply --dry-run shows what would be.\n")
	default:
		t.printf("\npolicy leaves %s to you; rsagent apply --dry-run shows what would be done.\n", plural(len(report.Would), "command"))
	}
}

// steps prints what was done and what was not.
func (t *text) steps(steps []agent.Step) {
	for i, s := range steps {
		if i == most && len(steps) > most+5 {
			t.printf("          and %d more\n", len(steps)-most)
			break
		}
		if s.Err == nil {
			t.printf("  %s  %s\n", t.paint(agent.OK, "done  "), s.Action)
		} else {
			t.printf("  %s  %s: %s\n", t.paint(agent.Critical, "FAILED"), s.Action, reason(s))
		}
	}
}

// reason is the step's error without the command that stands before it anyway.
func reason(s agent.Step) string {
	return strings.TrimPrefix(s.Err.Error(), s.Action.String()+": ")
}

// wrap breaks text at the terminal's width; lines after the first are indented.
func (t *text) wrap(head, body string) string {
	if t.width == 0 {
		return head + body
	}
	var b strings.Builder
	b.WriteString(head)
	column := len(head)
	for i, word := range strings.Fields(body) {
		if i > 0 && column+1+len(word) > t.width {
			b.WriteString("\n  ")
			column = 2
		} else if i > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

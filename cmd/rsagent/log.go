package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/sirupsen/logrus"

	"rsagent/agent"
)

// configureLog sets a logger's level and format, both or none.
func configureLog(log *logrus.Logger, level, format string) error {
	l, err := logrus.ParseLevel(level)
	if err != nil || !slices.Contains([]string{"debug", "info", "warning", "error"}, level) {
		return fmt.Errorf("log level %q: want debug, info, warning or error", level)
	}
	switch format {
	case "json":
		log.SetFormatter(&logrus.JSONFormatter{})
	case "text":
		// The journal adds a time of its own.
		journal := os.Getenv("JOURNAL_STREAM") != ""
		log.SetFormatter(&logrus.TextFormatter{DisableTimestamp: journal, DisableColors: journal, FullTimestamp: true})
	default:
		return fmt.Errorf("log format %q: want text or json", format)
	}
	log.SetLevel(l)
	return nil
}

// logReport writes a line for each transition, and none for a pass that found
// everything as the one before left it: findings that are new or have changed,
// actions, and findings that are gone. Of each of these no more than most are
// written, and then how many more there were.
func logReport(log logrus.FieldLogger, prev, now agent.Report) {
	known, before, left := byID(prev.After), byID(now.Before), byID(now.After)
	found, done, gone := &limiter{log: log}, &limiter{log: log}, &limiter{log: log}
	for _, f := range agent.Drift(now.Before) {
		if old, ok := known[f.ID]; !ok || old.Severity != f.Severity || old.Got != f.Got {
			found.finding(f)
		}
	}
	failing := failures(prev)
	for _, s := range now.Done {
		entry := log.WithField("action", s.Action.String())
		switch {
		case s.Err == nil:
			done.line(func() { entry.Info("done") })
		case failing[s.Action.String()] != reason(s):
			done.line(func() { entry.WithField("error", reason(s)).Error("not done") })
		}
	}
	for _, f := range agent.Drift(now.After) { // came up during the pass
		_, old := known[f.ID]
		if _, seen := before[f.ID]; !seen && !old {
			found.finding(f)
		}
	}
	for _, f := range union(agent.Drift(prev.After), agent.Drift(now.Before)) {
		if _, still := left[f.ID]; !still {
			gone.line(func() { log.WithField("id", f.ID).Info("in order again") })
		}
	}
	found.rest("findings")
	done.rest("actions")
	gone.rest("findings in order again")
}

// part returns what prev says of the findings of a focused report.
func part(prev, focused agent.Report) agent.Report {
	seen := map[string]bool{}
	for _, list := range [][]agent.Finding{focused.Before, focused.After} {
		for _, f := range list {
			seen[f.ID] = true
		}
	}
	prev.After = slices.DeleteFunc(slices.Clone(prev.After), func(f agent.Finding) bool { return !seen[f.ID] })
	return prev
}

// A limiter writes the first lines of a kind and counts the others.
type limiter struct {
	log logrus.FieldLogger
	n   int
}

func (l *limiter) line(write func()) {
	l.n++
	if l.n <= most {
		write()
	}
}

func (l *limiter) rest(of string) {
	if l.n > most {
		l.log.WithField("more", l.n-most).Info("and more " + of)
	}
}

func (l *limiter) finding(f agent.Finding) {
	entry := l.log.WithFields(logrus.Fields{"id": f.ID, "severity": f.Severity.String(), "want": f.Want, "got": f.Got})
	l.line(func() {
		if f.Severity == agent.Warning {
			entry.Warn("drift")
			return
		}
		entry.Error("drift")
	})
}

func byID(findings []agent.Finding) map[string]agent.Finding {
	out := map[string]agent.Finding{}
	for _, f := range agent.Drift(findings) {
		out[f.ID] = f
	}
	return out
}

func failures(r agent.Report) map[string]string {
	out := map[string]string{}
	for _, s := range r.Failed() {
		out[s.Action.String()] = reason(s)
	}
	return out
}

// union returns the findings of both, each ID once, in their order.
func union(a, b []agent.Finding) []agent.Finding {
	seen := map[string]bool{}
	var out []agent.Finding
	for _, list := range [][]agent.Finding{a, b} {
		for _, f := range list {
			if !seen[f.ID] {
				seen[f.ID] = true
				out = append(out, f)
			}
		}
	}
	return out
}

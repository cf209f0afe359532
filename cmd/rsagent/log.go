package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/sirupsen/logrus"

	"rsagent/agent"
)

// newLogger returns a logger in the given level and format.
func newLogger(w io.Writer, level, format string) (*logrus.Logger, error) {
	l, err := logrus.ParseLevel(level)
	if err != nil || !slices.Contains([]string{"debug", "info", "warning", "error"}, level) {
		return nil, fmt.Errorf("log level %q: want debug, info, warning or error", level)
	}
	log := logrus.New()
	log.SetOutput(w)
	log.SetLevel(l)
	switch format {
	case "json":
		log.SetFormatter(&logrus.JSONFormatter{})
	case "text":
		// The journal adds a time of its own.
		journal := os.Getenv("JOURNAL_STREAM") != ""
		log.SetFormatter(&logrus.TextFormatter{DisableTimestamp: journal, DisableColors: journal, FullTimestamp: true})
	default:
		return nil, fmt.Errorf("log format %q: want text or json", format)
	}
	return log, nil
}

// logReport writes a line for each transition, and none for a pass that found
// everything as the one before left it: findings that are new or have changed,
// actions, and findings that are gone.
func logReport(log logrus.FieldLogger, prev, now agent.Report) {
	known := byID(prev.After)
	for _, f := range agent.Drift(now.Before) {
		if old, ok := known[f.ID]; !ok || old.Severity != f.Severity || old.Got != f.Got {
			logFinding(log, f)
		}
	}
	failing := failures(prev)
	for _, s := range now.Done {
		switch {
		case s.Err == nil:
			log.WithField("action", s.Action.String()).Info("done")
		case failing[s.Action.String()] != reason(s):
			log.WithField("action", s.Action.String()).WithField("error", reason(s)).Error("not done")
		}
	}
	left := byID(now.After)
	before := byID(now.Before)
	for _, f := range agent.Drift(now.After) { // came up during the pass
		_, old := known[f.ID]
		if _, seen := before[f.ID]; !seen && !old {
			logFinding(log, f)
		}
	}
	for _, f := range union(agent.Drift(prev.After), agent.Drift(now.Before)) {
		if _, still := left[f.ID]; !still {
			log.WithField("id", f.ID).Info("in order again")
		}
	}
}

func logFinding(log logrus.FieldLogger, f agent.Finding) {
	entry := log.WithFields(logrus.Fields{"id": f.ID, "severity": f.Severity.String(), "want": f.Want, "got": f.Got})
	if f.Severity == agent.Warning {
		entry.Warn("drift")
		return
	}
	entry.Error("drift")
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

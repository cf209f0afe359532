package main

import (
	"fmt"
	"os"
	"slices"
	"time"

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

// log writes a line for each transition and for each action, and no more than
// most of a kind; then how many more there were.
func (c changes) log(log logrus.FieldLogger) {
	found, done, gone := &limiter{log: log}, &limiter{log: log}, &limiter{log: log}
	for _, one := range c.found {
		found.line(func() { one.drifted(log) })
	}
	for _, d := range c.deeds {
		done.line(func() { d.write(log) })
	}
	for _, one := range c.came {
		found.line(func() { one.drifted(log) })
	}
	for _, one := range c.gone {
		gone.line(func() { log.WithFields(one.fields()).Info("in order again") })
	}
	found.rest("findings")
	done.rest("actions")
	gone.rest("findings in order again")
}

func (c change) drifted(log logrus.FieldLogger) {
	entry := log.WithFields(c.fields()).WithField("severity", c.finding.Severity.String())
	switch {
	case c.event == contended:
		entry.Warn("contended")
	case c.finding.Severity == agent.Warning:
		entry.Warn("drift")
	default:
		entry.Error("drift")
	}
}

// fields are those of every line about a finding. What is not known is left
// out; who did it is said to be unknown.
func (c change) fields() logrus.Fields {
	out := logrus.Fields{"id": c.finding.ID(), "want": c.finding.Want, "got": c.finding.Got}
	d := c.drift
	if d.ID == "" {
		return out
	}
	out["by"] = d.By
	if d.Action != "" {
		out["action"] = d.Action
	}
	if c.event == repaired && !d.Open() {
		out["took"] = d.Repaired.Sub(d.Since).Round(time.Microsecond).String()
	}
	return out
}

func (d deed) write(log logrus.FieldLogger) {
	entry := log.WithField("action", d.action)
	if d.id != "" {
		entry = entry.WithField("id", d.id)
	}
	if d.failed != "" {
		entry.WithField("error", d.failed).Error("not done")
		return
	}
	entry.Info("done")
}

// part returns what prev says of the findings of a focused report.
func part(prev, focused agent.Report) agent.Report {
	seen := map[string]bool{}
	for _, list := range [][]agent.Finding{focused.Before, focused.After} {
		for _, f := range list {
			seen[f.ID()] = true
		}
	}
	prev.After = slices.DeleteFunc(slices.Clone(prev.After), func(f agent.Finding) bool { return !seen[f.ID()] })
	return prev
}

// merged returns prev with what a partial report says of its findings in place
// of what prev had: what that report has ended is not ended again by the next.
func merged(prev, partial agent.Report) agent.Report {
	known := part(prev, partial).After
	rest := slices.DeleteFunc(slices.Clone(prev.After), func(f agent.Finding) bool {
		return slices.ContainsFunc(known, func(k agent.Finding) bool { return k.Subject == f.Subject })
	})
	prev.After = append(rest, agent.NotOK(partial.After)...)
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

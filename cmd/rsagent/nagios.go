package main

import (
	"fmt"
	"strings"

	"rsagent/agent"
)

// nagios renders a report for monitoring plugins: the verdict and performance
// data in the first line, a line for each finding after it. The separator |
// is kept out of the text, as the plugin guidelines demand.
func nagios(report agent.Report, want agent.Desired) string {
	drift := agent.NotOK(report.After)
	var b strings.Builder
	fmt.Fprintf(&b, "RSAGENT %s - %s", strings.ToUpper(report.State().String()), summary(report.After))
	if worst, ok := first(drift, report.State()); ok {
		fmt.Fprintf(&b, ": %s is %s, want %s", worst.ID(), clean(worst.Got), clean(worst.Want))
	}
	fmt.Fprintf(&b, " | critical=%d warning=%d unknown=%d vips=%d present=%d time=%.3fs\n",
		agent.Count(drift, agent.Critical), agent.Count(drift, agent.Warning), agent.Count(drift, agent.Unknown),
		len(want.VIPs), present(report.After, want), report.Took.Seconds())
	for _, f := range drift {
		fmt.Fprintf(&b, "%s: %s is %s, want %s\n", f.Severity, f.ID(), clean(f.Got), clean(f.Want))
	}
	return b.String()
}

func first(findings []agent.Finding, s agent.Severity) (agent.Finding, bool) {
	for _, f := range findings {
		if f.Severity == s {
			return f, true
		}
	}
	return agent.Finding{}, false
}

// present counts the VIPs that are where they must be.
func present(findings []agent.Finding, want agent.Desired) int {
	n := 0
	for _, f := range findings {
		if f.Kind == agent.KindVIP && f.Severity < agent.Unknown {
			n++
		}
	}
	return min(n, len(want.VIPs))
}

func clean(s string) string { return strings.ReplaceAll(s, "|", "/") }

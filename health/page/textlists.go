package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rsagent/agent"
	"rsagent/health"
)

// vips prints a row for each VIP, those that are not ready first.
func (t *text) vips() {
	if len(t.s.VIPs) == 0 {
		return
	}
	t.printf("\n")
	services := map[string][]health.ServiceJSON{}
	for _, one := range t.s.Services {
		services[one.VIP.String()] = append(services[one.VIP.String()], one)
	}
	vips := slices.Clone(t.s.VIPs)
	slices.SortStableFunc(vips, func(a, b VIP) int { return order(a.Ready) - order(b.Ready) })
	wide := 0
	for _, v := range vips[:min(len(vips), textVIPs)] {
		wide = max(wide, len(v.VIP))
	}
	for i, v := range vips {
		if i == textVIPs {
			t.printf("  %-12sand %s\n", "", left(vips[i:]))
			break
		}
		severity, word := agent.Critical, "NOT READY"
		if v.Ready {
			severity, word = agent.OK, "ready"
		}
		t.row(severity, word, fmt.Sprintf("%-*s  probe %-15s  %s", wide, v.VIP, probeText(v), servicesText(services[v.VIP])))
	}
}

func order(ready bool) int {
	if ready {
		return 1
	}
	return 0
}

// left says what the VIPs are that are not shown; those not ready come first.
func left(vips []VIP) string {
	ready := 0
	for _, v := range vips {
		ready += order(v.Ready)
	}
	if ready == len(vips) {
		return count(ready) + " more, all ready"
	}
	return fmt.Sprintf("%s more, %s of them not ready", count(len(vips)), count(len(vips)-ready))
}

func probeText(v VIP) string {
	switch {
	case v.Probe == nil:
		return "-"
	case v.Probe.Outcome == health.Passed.String() && v.Probe.Took > 0:
		return span(v.Probe.Took)
	}
	return v.Probe.Outcome
}

func servicesText(list []health.ServiceJSON) string {
	var out []string
	for _, s := range list {
		word := "down: " + s.Detail
		switch {
		case s.Up == nil:
			word = "not asked yet"
		case *s.Up:
			word = "up"
		}
		out = append(out, fmt.Sprintf("%d%s %s", s.Port, s.HTTP, word))
	}
	return strings.Join(out, ", ")
}

// findings says for each what is wrong, why it matters and what would fix it.
func (t *text) findings() {
	if len(t.s.Findings) == 0 {
		return
	}
	t.printf("\n")
	for i, f := range t.s.Findings {
		if i == textTells {
			t.printf("and %d more; rsagent status -o json has them all\n", len(t.s.Findings)-i)
			break
		}
		t.printf("%s (%s): want %s, got %s\n", t.paint(f.Severity, f.ID), f.Severity, f.Want, f.Got)
		if f.Why != "" {
			t.printf("  %s\n", f.Why)
		}
		if f.Fix != "" {
			t.printf("  fix  %s\n", f.Fix)
		}
	}
}

// daemon prints what the agent itself has to say: a config that was refused,
// fights, what is only reported, and where it hears of changes.
func (t *text) daemon() {
	if t.s.Refused != "" {
		t.printf("\n%s: the newest config is not in force, the last good one is\n", t.paint(agent.Warning, "config refused"))
		for line := range strings.Lines(t.s.Refused) {
			t.printf("  %s\n", strings.TrimRight(line, "\n"))
		}
	}
	if len(t.s.Contended) > 0 {
		t.printf("\ncontended\n")
	}
	for _, c := range t.s.Contended {
		t.printf("  %s: undone %d times, last by %s\n", t.paint(agent.Warning, c.ID), c.Times, c.By)
		for _, owner := range c.Owner {
			t.printf("    %s\n", owner)
		}
	}
	if len(t.s.Would) > 0 {
		t.printf("\nonly reported; it would run\n")
	}
	for i, command := range t.s.Would {
		if i == textTells {
			t.printf("  and %d more; rsagent status -o json has them all\n", len(t.s.Would)-i)
			break
		}
		t.printf("  %s\n", command)
	}
	for i, one := range t.s.Events {
		if i == 0 {
			t.printf("\nhears of changes by\n")
		}
		t.printf("  %-12s%s\n", one.Name, one.Detail)
	}
}

// drifts prints the last ones, what differs still first.
func (t *text) drifts() {
	if len(t.s.Drifts) == 0 {
		return
	}
	t.printf("\nlast drifts (%d since the start)\n", t.s.DriftTotal)
	for i, d := range t.s.Drifts {
		if i == textDrifts {
			t.printf("  and more: rsagent status --drift\n")
			break
		}
		severity := agent.OK
		if d.Open() {
			severity = d.Severity
		}
		t.printf("  %-12s%s: %s, want %s\n", t.ago(d.Since), t.paint(severity, d.ID), d.Got, d.Want)
		t.printf("  %-12s%s\n", "", story(d))
	}
}

func (t *text) ago(then time.Time) string { return ago(t.s.now().Sub(then)) }

// story says what became of a drift, whose doing it was, and how often.
func story(d health.Drift) string {
	out := outcome(d)
	if who := by(d.By); who != "" {
		out += ", by " + who
	}
	if d.Times > 1 {
		out += fmt.Sprintf(", %d times", d.Times)
	}
	if d.Contended {
		out += ": contended"
	}
	if d.Action != "" {
		out += "\n  " + strings.Repeat(" ", 12) + d.Action
	}
	return out
}

package page

import (
	"fmt"
	"slices"
	"strings"

	"rsagent/health"
)

// A VIPTable holds VIPs with trouble first, then others.
type VIPTable struct {
	Rows    []VIPRow
	Ready   int
	Total   int
	Summary string
	More    string
	Many    bool // too many to stand beside something else
}

// A VIPRow is what is known of one VIP.
type VIPRow struct {
	VIP      string
	Ready    bool
	State    State
	Probe    string
	ProbeOK  State
	Services []ServiceCell
	More     int // services that are not shown
	Reason   string
}

// A ServiceCell is one service of a VIP.
type ServiceCell struct {
	Name  string
	State State
	Word  string
}

const (
	shownVIPs     = 50
	fewVIPs       = 8
	shownServices = 6
)

func newVIPTable(s health.Snapshot) VIPTable {
	t := VIPTable{Total: len(s.Verdict.VIPs)}
	var good, bad []health.VIPVerdict
	for _, v := range s.Verdict.VIPs {
		if v.Ready {
			t.Ready++
		}
		if v.Ready && len(v.Reasons) == 0 {
			good = append(good, v)
		} else {
			bad = append(bad, v)
		}
	}
	t.Summary = fmt.Sprintf("%s of %s ready", count(t.Ready), count(t.Total))
	services := map[string][]health.ServiceResult{}
	for _, r := range s.Services {
		services[r.VIP.String()] = append(services[r.VIP.String()], r)
	}
	// What concerns one VIP comes before what holds back all of them.
	slices.SortStableFunc(bad, func(a, b health.VIPVerdict) int { return len(b.Reasons) - len(a.Reasons) })
	shown := slices.Concat(bad, good)
	if left := len(shown) - shownVIPs; left > 0 {
		t.More = fmt.Sprintf("and %s more", count(left))
		if hidden := len(bad) - shownVIPs; hidden > 0 {
			t.More += fmt.Sprintf(", %s of them not ready or with a reason", count(hidden))
		} else {
			t.More += ", all ready"
		}
		shown = shown[:shownVIPs]
	}
	t.Many = len(shown) > fewVIPs
	for _, v := range shown {
		t.Rows = append(t.Rows, vipRow(s, v, services[v.VIP.String()]))
	}
	return t
}

func vipRow(s health.Snapshot, v health.VIPVerdict, services []health.ServiceResult) VIPRow {
	r := VIPRow{VIP: v.VIP.String(), Ready: v.Ready, State: Bad}
	switch {
	case v.Ready:
		r.State = Good
	case s.Drain.Draining && v.History.Ready:
		r.State = Warn
	case v.History.Verified.IsZero():
		r.State = Unknown
	}
	for _, reason := range v.Reasons {
		if reason.VIP.IsValid() { // the host's stand above
			r.Reason = clip(sentence(reason), 200)
			break
		}
	}
	r.Probe, r.ProbeOK = probe(s, v)
	for i, one := range services {
		if i == shownServices {
			r.More = len(services) - i
			break
		}
		r.Services = append(r.Services, serviceCell(one))
	}
	return r
}

func probe(s health.Snapshot, v health.VIPVerdict) (string, State) {
	r, probed := s.Probes[v.VIP]
	switch {
	case !s.Probing:
		return "off", Unknown
	case !probed:
		return "not yet", Unknown
	case r.Outcome == health.Passed && r.Took > 0:
		return strings.ReplaceAll(span(r.Took), " ", "\u00a0"), Good
	case r.Outcome == health.Passed:
		return "passed", Good
	case r.Outcome == health.Failed:
		return "no answer", Bad
	}
	return "could not tell", Unknown
}

func serviceCell(r health.ServiceResult) ServiceCell {
	c := ServiceCell{Name: strings.TrimSpace(fmt.Sprintf("%d %s", r.Port, clip(r.HTTPPath, 40))), State: Bad, Word: "down: " + clip(r.Detail, 80)}
	switch {
	case r.Time.IsZero():
		c.State, c.Word = Unknown, "not asked yet"
	case r.Up:
		c.State, c.Word = Good, "up"
	}
	return c
}

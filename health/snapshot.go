package health

import (
	"fmt"
	"net/netip"
	"time"

	"rsagent/agent"
)

// A Snapshot is all that is known at one moment, as plain values. Every view
// renders it. Its slices and maps are shared between snapshots: do not modify
// them.
type Snapshot struct {
	Node     string
	Version  string
	Config   string // hash of the effective config, see config.Config.Hash
	Now      time.Time
	Started  time.Time
	Policy   Policy
	Report   agent.Report // the last one that holds findings
	Seen     time.Time    // when it came; zero before the first
	Beat     time.Time    // when the loop last turned
	Problem  string       // of the last pass, if it could not do its work
	Verdict  Verdict
	Drain    DrainState
	Stopping bool
	Probing  bool
	Probes   map[netip.Addr]ProbeResult
	Services []ServiceResult
	Drifts   []Drift // what differs first, then what was repaired last
	Totals   Totals
	Sources  []Source
	Refused  string // why the newest config is not in force; empty if it is
}

// Totals count since the start.
type Totals struct {
	Drifts   int // findings that came up
	Repaired int // actions that were done
	Failed   int // actions that were not
}

// at returns the snapshot as it is at a later time.
func (s Snapshot) at(now time.Time) Snapshot {
	s.Now = now
	s.Verdict = s.Verdict.At(now)
	s.Drain = s.Drain.at(now)
	return s
}

// Live reports whether the loop turned within three intervals.
func (s Snapshot) Live() bool { return s.liveAt(s.Now) }

func (s *Snapshot) liveAt(now time.Time) bool {
	last := s.Beat
	if last.IsZero() {
		last = s.Started
	}
	return now.Sub(last) <= s.Policy.Limit()
}

// Age is that of the last report; negative before the first.
func (s Snapshot) Age() time.Duration {
	if s.Seen.IsZero() {
		return -1
	}
	return s.Now.Sub(s.Seen)
}

// Status returns the object that /status begins with: the report's, with what
// services and probes have to say added as findings of their own.
func (s Snapshot) Status() agent.Status {
	r := s.Report
	r.After = append(append([]agent.Finding(nil), r.After...), s.findings()...)
	st := r.Status(s.Node, s.Config)
	if s.Seen.IsZero() {
		st.State = agent.Unknown
	}
	return st
}

// findings turns services and probes into findings.
func (s Snapshot) findings() []agent.Finding {
	var out []agent.Finding
	for _, r := range s.Services {
		if r.Up || r.Time.IsZero() {
			continue
		}
		out = append(out, agent.Finding{
			Subject: r.subject(), Severity: agent.Critical, Want: "answers", Got: r.Detail,
			Why: fmt.Sprintf("what the director sends for %s reaches this host, and nobody serves it.", r.VIP),
			Row: &agent.Row{Subject: "service", Name: r.Addr().String(), Want: "answers", Got: r.Detail},
		})
	}
	untold := ""
	for _, v := range s.Verdict.VIPs {
		r, probed := s.Probes[v.VIP]
		switch {
		case !s.Probing || !probed || r.Outcome == Passed:
		case r.Outcome == Failed:
			out = append(out, agent.Finding{
				Subject: probeSubject(v.VIP), Severity: agent.Critical, Want: "answered", Got: "no answer",
				Why: "a packet sent through the tunnel was not answered: " + r.Detail + ".",
				Row: &agent.Row{Subject: "probe", Name: v.VIP.String(), Want: "answered", Got: "no answer"},
			})
		case untold == "":
			untold = r.Detail
		}
	}
	if untold != "" {
		out = append(out, agent.Finding{
			Subject: agent.Subject{Kind: agent.KindProbeResult}, Severity: agent.Warning, Want: "answered", Got: "could not tell",
			Why: "the path is judged by the settings alone: " + untold + ".",
			Row: &agent.Row{Subject: "probe", Name: "data path", Want: "answered", Got: "could not tell"},
		})
	}
	return out
}

// A Transition is a change of readiness.
type Transition struct {
	VIP     netip.Addr // zero: the host
	Ready   bool
	Reasons []Reason
}

// Transitions returns what changed between two snapshots, the host first. A
// VIP that was not there before counts as not ready.
func Transitions(prev, now Snapshot) []Transition {
	var out []Transition
	if prev.Verdict.Ready != now.Verdict.Ready {
		out = append(out, Transition{Ready: now.Verdict.Ready, Reasons: now.Verdict.Reasons})
	}
	ready := map[netip.Addr]bool{}
	for _, v := range prev.Verdict.VIPs {
		ready[v.VIP] = v.Ready
	}
	for _, v := range now.Verdict.VIPs {
		if ready[v.VIP] != v.Ready {
			out = append(out, Transition{VIP: v.VIP, Ready: v.Ready, Reasons: v.Reasons})
		}
	}
	return out
}

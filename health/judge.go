package health

import (
	"fmt"

	"rsagent/agent"
)

// findings marks what the report says.
func (j *judge) findings() {
	if j.in.Seen.IsZero() {
		return
	}
	for _, f := range j.in.Report.After {
		if f.Kind == agent.KindVIP && f.Severity != agent.Unknown {
			if i, known := j.index[f.VIP]; known {
				j.marks[i].spoken = true
			}
		}
		switch f.Severity {
		case agent.Critical:
			j.finding(f, CodeFinding)
		case agent.Unknown:
			if f.Needed() {
				j.finding(f, CodeUnknown)
			}
		}
	}
}

func (j *judge) finding(f agent.Finding, code string) {
	reason := Reason{Code: code, ID: f.ID(), Text: sentence(f)}
	affects := f.Affects()
	switch {
	case affects.All:
		j.host = append(j.host, reason)
		j.bad = j.bad || code == CodeFinding
		j.blind = j.blind || code == CodeUnknown
	case affects.VIP.IsValid():
		i, known := j.index[affects.VIP]
		if !known {
			return // of a config before this one
		}
		m := &j.marks[i]
		reason.VIP = j.in.VIPs[i]
		m.own = append(m.own, reason)
		m.bad = m.bad || code == CodeFinding
		m.unreadable = m.unreadable || code == CodeUnknown
	}
}

func sentence(f agent.Finding) string {
	return fmt.Sprintf("%s: want %s, got %s.", f.ID(), f.Want, f.Got)
}

// services marks VIPs whose services do not answer.
func (j *judge) services() {
	for _, s := range j.in.Services {
		i, known := j.index[s.VIP]
		if !known || s.Up {
			continue
		}
		m := &j.marks[i]
		reason := Reason{Code: CodeService, VIP: s.VIP, ID: s.ID(), Text: fmt.Sprintf("the service on %s does not answer: %s.", s.Addr(), s.Detail)}
		if s.Time.IsZero() {
			reason.Code, reason.Text = CodeUnchecked, fmt.Sprintf("the service on %s was not asked yet.", s.Addr())
			m.blind = true
		} else {
			m.bad = true
		}
		m.own = append(m.own, reason)
	}
}

// probes marks VIPs whose packet did not come back.
func (j *judge) probes() {
	if !j.in.Probing {
		return
	}
	for i, vip := range j.in.VIPs {
		r, probed := j.in.Probes[vip]
		m := &j.marks[i]
		switch {
		case !probed:
			m.blind = true
			m.own = append(m.own, Reason{Code: CodeUnproven, VIP: vip, Text: "no packet was sent through the tunnel yet."})
		case r.Outcome == Failed:
			m.bad = true
			m.own = append(m.own, Reason{Code: CodeProbe, VIP: vip, ID: probeSubject(vip).ID(), Text: "a packet through the tunnel was not answered: " + r.Detail + "."})
		}
	}
}

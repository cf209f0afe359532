package health

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"time"

	"rsagent/agent"
)

// lastDrifts is how many of the ledger's entries /status shows.
const lastDrifts = 20

// StatusJSON is what /status answers: the object of check -o json, with the
// daemon's own facts added.
type StatusJSON struct {
	agent.Status
	Ready      bool           `json:"ready"`
	Live       bool           `json:"live"`
	Reasons    []Reason       `json:"reasons"`
	VIPs       []VIPJSON      `json:"vips"`
	Draining   *DrainJSON     `json:"draining"` // null if not
	Stopping   bool           `json:"stopping"`
	Services   []ServiceJSON  `json:"services"`
	Version    string         `json:"version"`
	Started    time.Time      `json:"started"`
	Evaluated  time.Time      `json:"evaluated,omitzero"`   // absent before the first report
	Age        float64        `json:"age_seconds,omitzero"` // of the last report
	Took       float64        `json:"pass_seconds,omitzero"`
	Interval   float64        `json:"interval_seconds"`
	Rise       int            `json:"rise"`
	Fall       int            `json:"fall"`
	Problem    string         `json:"problem,omitempty"`        // of the last pass
	Refused    string         `json:"config_refused,omitempty"` // why the newest config is not in force
	Events     []Source       `json:"events"`
	Contended  []FightJSON    `json:"contended"`
	Would      []string       `json:"would"`  // what is only reported: commands that were not run
	Drifts     []Drift        `json:"drifts"` // the last ones
	DriftTotal int            `json:"drift_total"`
	Repairs    map[string]int `json:"repair_total"`
}

// FightJSON is something that somebody else keeps changing.
type FightJSON struct {
	ID    string    `json:"id"`
	Since time.Time `json:"since"`
	Times int       `json:"times"` // repairs
	Next  time.Time `json:"next"`  // no repair before this
	Fix   string    `json:"fix"`   // the repair
	By    string    `json:"by"`
	// Owner says who it may be and which setting ends the fight.
	Owner []string `json:"owner,omitempty"`
}

// VIPJSON is the answer for one VIP.
type VIPJSON struct {
	VIP     netip.Addr   `json:"vip"`
	Ready   bool         `json:"ready"`
	Reasons []Reason     `json:"reasons"`
	Probe   *ProbeResult `json:"probe,omitempty"`
}

// DrainJSON is a drain in force.
type DrainJSON struct {
	Drain
	Corrupt string `json:"corrupt,omitempty"`
}

// ServiceJSON is the last answer of a service.
type ServiceJSON struct {
	VIP    netip.Addr `json:"vip"`
	Port   uint16     `json:"port"`
	HTTP   string     `json:"http,omitempty"`
	Up     *bool      `json:"up"` // null before the first check
	Detail string     `json:"detail,omitempty"`
	Took   float64    `json:"seconds,omitzero"`
	Time   time.Time  `json:"time,omitzero"`
}

// JSON returns the snapshot as /status shows it.
func (s Snapshot) JSON() StatusJSON {
	out := StatusJSON{
		Status: s.Status(), Ready: s.Verdict.Ready, Live: s.Live(), Reasons: orEmpty(s.Verdict.Reasons),
		VIPs: make([]VIPJSON, len(s.Verdict.VIPs)), Services: make([]ServiceJSON, len(s.Services)),
		Stopping: s.Stopping, Version: s.Version, Started: s.Started, Evaluated: s.Seen,
		Age: max(s.Age(), 0).Seconds(), Took: s.Report.Took.Seconds(), Interval: s.Policy.Interval.Seconds(),
		Rise: s.Policy.Rise, Fall: s.Policy.Fall, Problem: s.Problem,
		Refused: s.Refused, Events: orEmpty(s.Sources), Contended: s.fights(), Would: commands(agent.Actions(s.Report.Would)),
		Drifts: orEmpty(s.Drifts[:min(len(s.Drifts), lastDrifts)]), DriftTotal: s.Totals.Drifts,
		Repairs: map[string]int{"done": s.Totals.Repaired, "failed": s.Totals.Failed},
	}
	for i, v := range s.Verdict.VIPs {
		out.VIPs[i] = VIPJSON{VIP: v.VIP, Ready: v.Ready, Reasons: orEmpty(v.Reasons)}
		if r, ok := s.Probes[v.VIP]; ok {
			out.VIPs[i].Probe = &r
		}
	}
	for i, r := range s.Services {
		out.Services[i] = ServiceJSON{VIP: r.VIP, Port: r.Port, HTTP: r.HTTPPath, Detail: r.Detail, Took: r.Took.Seconds(), Time: r.Time}
		if !r.Time.IsZero() {
			out.Services[i].Up = &r.Up
		}
	}
	if s.Drain.Draining {
		out.Draining = &DrainJSON{s.Drain.Drain, s.Drain.Corrupt}
	}
	return out
}

func (s Snapshot) fights() []FightJSON {
	out := make([]FightJSON, len(s.Report.Conflicts))
	for i, c := range s.Report.Conflicts {
		out[i] = FightJSON{ID: c.ID(), Since: c.Since, Times: c.Times, Next: c.Until, Fix: c.Fix.String(), By: c.By.String(), Owner: c.Owner}
	}
	return out
}

func commands(actions []agent.Action) []string {
	out := make([]string, len(actions))
	for i, a := range actions {
		out[i] = a.String()
	}
	return out
}

// orEmpty makes an empty list of none, where JSON would say null.
func orEmpty[T any](in []T) []T {
	if in == nil {
		return []T{}
	}
	return in
}

// driftJSON is what /drift answers.
type driftJSON struct {
	Node   string         `json:"node"`
	Total  int            `json:"drift_total"`
	Repair map[string]int `json:"repair_total"`
	Drifts []Drift        `json:"drifts"`
}

func (s Snapshot) driftJSON() driftJSON {
	return driftJSON{
		Node: s.Node, Total: s.Totals.Drifts, Drifts: orEmpty(s.Drifts),
		Repair: map[string]int{"done": s.Totals.Repaired, "failed": s.Totals.Failed},
	}
}

// encode returns v as people and programs can read it.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		// Only a time outside of the years 0 to 9999 does not encode, and none
		// comes from a file.
		return encode(map[string]string{"error": err.Error()})
	}
	return b.Bytes()
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

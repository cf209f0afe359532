package health

import (
	"fmt"
	"net/netip"
	"time"

	"rsagent/agent"
)

// Codes of reasons. They are stable and part of the interface.
const (
	CodeStopping   = "stopping"          // the agent is shutting down
	CodeDraining   = "draining"          // taken out by hand
	CodeStale      = "stale"             // no pass within three intervals
	CodeUnverified = "unverified"        // no pass has spoken of the VIP yet
	CodeFinding    = "finding"           // a critical finding of the path
	CodeUnknown    = "unknown"           // something of the path could not be read
	CodeService    = "service-down"      // a service does not answer
	CodeUnchecked  = "service-unchecked" // a service was not asked yet
	CodeProbe      = "probe-failed"      // the packet through the tunnel did not come back
	CodeUnproven   = "unproven"          // no packet was sent yet
	CodeRising     = "rising"            // good, but not yet often enough
	CodeNoVIP      = "no-vip"            // nothing to be ready for
	CodeMore       = "more"              // reasons left out
)

// A Reason is something that speaks against being ready.
type Reason struct {
	Code string     `json:"code"`
	VIP  netip.Addr `json:"vip,omitzero"` // zero: the host
	ID   string     `json:"id,omitempty"` // of the finding, if there is one
	Text string     `json:"text"`         // a sentence
}

// Input is all that a verdict depends on.
type Input struct {
	Policy
	VIPs     []netip.Addr
	Now      time.Time
	Report   agent.Report // the last one; only After counts
	Seen     time.Time    // when it came; zero if there is none
	Probing  bool         // whether VIPs are probed at all
	Probes   map[netip.Addr]ProbeResult
	Services []ServiceResult // one for each service; a zero Time is unchecked
	Drain    DrainState
	Stopping bool
	History  map[netip.Addr]History // nil at first
}

// A Verdict is the answer. It holds until Fresh; see [Verdict.At].
type Verdict struct {
	// Ready is true if every VIP is usable and nothing holds back the host.
	Ready bool
	// Reasons are those of the host, then those of each VIP. On a ready host
	// they are what rise and fall do not let count yet.
	Reasons []Reason
	VIPs    []VIPVerdict // in the order of Input.VIPs
	Fresh   time.Time    // the earliest of those of ready VIPs; zero for none
}

// VIPVerdict is the answer for one VIP.
type VIPVerdict struct {
	VIP     netip.Addr
	Ready   bool
	Reasons []Reason // do not modify: VIPs share them
	Fresh   time.Time
	History History
}

// maxReasons bounds the reasons of a host: with a thousand VIPs gone, nobody
// reads them all. Each VIP keeps its own.
const maxReasons = 32

// Evaluate gives the verdict at in.Now. It is pure and total.
//
// A VIP is good if the report speaks of it, nothing critical of its path is
// found, its services answer and its probe does not fail; a probe that could
// not tell never counts against it. What cannot be told (a key that cannot be
// read, a service not asked yet) changes nothing by itself: the last answer
// stands, and a report that keeps failing to tell becomes stale.
func Evaluate(in Input) Verdict {
	j := newJudge(in)
	j.findings()
	j.services()
	j.probes()
	v := Verdict{Ready: len(in.VIPs) > 0, VIPs: make([]VIPVerdict, len(in.VIPs))}
	counted := false
	host := append(j.holds(), j.host...)
	host = host[:len(host):len(host)]
	held := len(host) > len(j.host)
	for i, vip := range in.VIPs {
		one := j.vip(i, vip, host, held)
		v.VIPs[i] = one
		switch {
		case one.Ready:
			counted = true
			if v.Fresh.IsZero() || one.Fresh.Before(v.Fresh) {
				v.Fresh = one.Fresh
			}
		case one.History.Known || !in.Now.Before(one.History.Grace):
			v.Ready = false
		}
	}
	v.Ready = v.Ready && counted
	v.Reasons = j.reasons(v, host)
	return v.At(in.Now)
}

// judge gathers what speaks against each VIP.
type judge struct {
	in    Input
	index map[netip.Addr]int
	host  []Reason // against every VIP
	marks []mark
	bad   bool // every VIP
	blind bool
}

type mark struct {
	own        []Reason
	bad, blind bool
	spoken     bool
	unreadable bool
}

func newJudge(in Input) *judge {
	j := &judge{in: in, index: make(map[netip.Addr]int, len(in.VIPs)), marks: make([]mark, len(in.VIPs))}
	for i, vip := range in.VIPs {
		j.index[vip] = i
	}
	return j
}

// holds returns what takes the host out whatever its state.
func (j *judge) holds() []Reason {
	var out []Reason
	if len(j.in.VIPs) == 0 {
		out = append(out, Reason{Code: CodeNoVIP, Text: "no VIP is configured."})
	}
	if j.in.Stopping {
		out = append(out, Reason{Code: CodeStopping, Text: "the agent is shutting down; the VIPs stay in place."})
	}
	if j.in.Drain.Draining {
		out = append(out, Reason{Code: CodeDraining, Text: j.in.Drain.Sentence()})
	}
	return out
}

// reasons returns those of the host and those of its VIPs, bounded.
func (j *judge) reasons(v Verdict, host []Reason) []Reason {
	out := append([]Reason(nil), host...)
	left := 0
	for _, one := range v.VIPs {
		// What is said about every VIP is said once.
		for _, r := range one.Reasons[len(host):] {
			if len(out) < maxReasons {
				out = append(out, r)
			} else {
				left++
			}
		}
	}
	if left > 0 {
		out = append(out, Reason{Code: CodeMore, Text: fmt.Sprintf("and %d more; each VIP has its own.", left)})
	}
	return out
}

func (j *judge) vip(i int, vip netip.Addr, host []Reason, held bool) VIPVerdict {
	m := j.marks[i]
	told := m.spoken && !j.blind && !m.unreadable && !j.in.Seen.IsZero()
	o := good
	switch {
	case j.bad || m.bad:
		o = bad
	case !told || m.blind:
		o = blind
	}
	verified := time.Time{}
	if told {
		verified = j.in.Seen
	}
	h := j.in.History[vip].next(o, verified, j.in.Now, j.in.Policy)
	out := VIPVerdict{VIP: vip, Ready: h.Ready && !held, Reasons: host, History: h}
	if !h.Verified.IsZero() {
		out.Fresh = h.Verified.Add(j.in.Limit())
	}
	out.Reasons = append(out.Reasons, m.own...)
	switch {
	case h.Verified.IsZero(), !out.Ready && !m.spoken && len(out.Reasons) == 0:
		out.Ready = false
		out.Reasons = append(out.Reasons, Reason{Code: CodeUnverified, VIP: vip, Text: "no pass has spoken of this VIP yet."})
	case o == good && !h.Ready:
		text := fmt.Sprintf("good again, %d of %d times in a row.", h.Streak, j.in.Rise)
		out.Reasons = append(out.Reasons, Reason{Code: CodeRising, VIP: vip, Text: text})
	}
	return out
}

// At returns the verdict as it is at a later time: what was ready and has not
// been verified since Fresh is not ready any more. It is cheap while nothing
// is stale.
func (v Verdict) At(now time.Time) Verdict {
	if v.Fresh.IsZero() || !now.After(v.Fresh) {
		return v
	}
	stale := Reason{Code: CodeStale, Text: "the last pass that could tell is more than three intervals old."}
	v.Ready = false
	v.Reasons = append([]Reason{stale}, v.Reasons...)
	vips := make([]VIPVerdict, len(v.VIPs))
	for i, one := range v.VIPs {
		if one.Ready && now.After(one.Fresh) {
			one.Ready = false
			one.Reasons = append([]Reason{stale}, one.Reasons...)
		}
		vips[i] = one
	}
	v.VIPs, v.Fresh = vips, time.Time{}
	return v
}

// ReadyAt is At(now).Ready without the reasons, in constant time.
func (v Verdict) ReadyAt(now time.Time) bool { return v.Ready && !now.After(v.Fresh) }

// ReadyAt is the same for a single VIP.
func (v VIPVerdict) ReadyAt(now time.Time) bool { return v.Ready && !now.After(v.Fresh) }

package health

import (
	"fmt"
	"net/netip"
	"time"

	"rsagent/agent"
)

// An Outcome is what a probe of the data path says.
type Outcome int

// The zero Outcome is that of a probe that could not tell: it never counts
// against a VIP.
const (
	CouldNotTell Outcome = iota
	Passed
	Failed
)

// String returns the name used in every output.
func (o Outcome) String() string {
	switch o {
	case CouldNotTell:
		return "could not tell"
	case Passed:
		return "passed"
	case Failed:
		return "failed"
	}
	return fmt.Sprintf("outcome(%d)", int(o))
}

// MarshalText returns String.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// ProbeResult is the last answer of the data-path probe for one VIP.
type ProbeResult struct {
	Outcome Outcome       `json:"outcome"`
	Detail  string        `json:"detail,omitempty"` // what stopped the packet, or why it could not be told; no period
	Hop     agent.Hop     `json:"-"`                // where the packet was stopped, if Failed
	Took    time.Duration `json:"took_ns,omitempty"`
	Time    time.Time     `json:"time"`
}

func probeSubject(vip netip.Addr) agent.Subject {
	return agent.Subject{Kind: agent.KindProbe, VIP: vip}
}

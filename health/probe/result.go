package probe

import (
	"fmt"
	"net/netip"
	"time"

	"rsagent/agent"
)

// Target is what has to answer: a TCP port of a VIP, or with port 0 the VIP
// itself, by ICMP echo.
type Target struct {
	VIP  netip.Addr
	Port uint16
}

// String returns 192.0.2.1:80, or the VIP alone for an echo.
func (t Target) String() string {
	if t.Port == 0 {
		return t.VIP.String()
	}
	return netip.AddrPortFrom(t.VIP, t.Port).String()
}

// MarshalText uses the form of String.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Outcome is what became of a probe. Larger is worse.
type Outcome int

// The outcomes. A refusal proves the path: only nobody listens at its end.
const (
	Pass Outcome = iota
	CouldNotTell
	Refused
	Fail
)

// String returns the name used in every output.
func (o Outcome) String() string {
	switch o {
	case Pass:
		return "pass"
	case CouldNotTell:
		return "could not tell"
	case Refused:
		return "refused"
	case Fail:
		return "fail"
	}
	return fmt.Sprintf("outcome(%d)", int(o))
}

// MarshalText uses the names of String.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// PathWorks reports whether packets reach the VIP.
func (o Outcome) PathWorks() bool { return o == Pass || o == Refused }

// Cause names what stopped a packet. The names are part of the interface.
type Cause string

// The causes, in the order in which a packet meets them.
const (
	Firewall         Cause = "firewall"          // a rule; only when nothing else explains it
	NoModule         Cause = "module"            // nobody handles protocol 4
	TunnelMissing    Cause = "tunnel-missing"    // the namespace has no fallback device
	TunnelDown       Cause = "tunnel-down"       // it is not asked
	Shadow           Cause = "shadow"            // another tunnel takes the packet before ours
	RPFilter         Cause = "rp_filter"         // the way back to the client is not the tunnel
	VIPMissing       Cause = "vip-missing"       // dropped, since the VIP is nobody's address here
	Forwarded        Cause = "forwarded"         // sent out again, since this host forwards
	Route            Cause = "route"             // the VIP is here, and a route or rule says otherwise
	Backlog          Cause = "backlog"           // the service's queue is full
	NothingListening Cause = "nothing-listening" // RST
	Silent           Cause = "silent"            // from afar no more can be said
)

// Hop returns the hop at which the packet was stopped.
func (c Cause) Hop() agent.Hop {
	switch c {
	case VIPMissing, Forwarded, Route:
		return agent.HopVIP
	case Backlog, NothingListening:
		return agent.HopService
	}
	return agent.HopTunnel
}

// Result is what is known about a target after a round.
type Result struct {
	Target  Target        `json:"target"`
	Outcome Outcome       `json:"outcome"`
	Cause   Cause         `json:"cause,omitempty"`  // "" if it passed or nobody knows
	Why     string        `json:"why,omitempty"`    // one sentence; "" if it passed
	Source  netip.Addr    `json:"source,omitzero"`  // of the outer packet
	RTT     time.Duration `json:"rtt_ns,omitempty"` // of the answer, if there was one
	Time    time.Time     `json:"time"`             // when the round began
	Way     []Hop         `json:"way,omitempty"`    // nil if nothing was sent
}

// worse reports whether a is to be shown rather than b, for the same target.
func worse(a, b Result) bool { return a.Outcome > b.Outcome }

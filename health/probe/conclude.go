package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"rsagent/agent"
)

// result returns the worst of what became of a target's packets: what one
// director sends must not disappear because another's arrives.
func (r *round) result(t Target, err error) Result {
	if err != nil {
		return Result{Outcome: CouldNotTell, Why: err.Error()}
	}
	var worst Result
	for i, a := range r.attempts[t] {
		if one := r.conclude(a); i == 0 || worse(one, worst) {
			worst = one
		}
	}
	return worst
}

func (r *round) conclude(a *attempt) Result {
	e := r.evidence(a)
	out := Result{Source: a.source, RTT: a.fastest()}
	out.Outcome, out.Cause, out.Why, out.Way = Diagnose(e)
	return out
}

func (r *round) evidence(a *attempt) Evidence {
	end := r.prober.end
	e := Evidence{
		Target: a.target, Device: end.Name, RIP: r.rip, Source: a.source,
		Sent: a.counted, Delta: r.delta, RPFilter: r.job.RPFilter, Got: r.got,
		Unheard: len(r.job.Directors) > 0 && a.source == end.Stranger,
	}
	for _, s := range a.shots {
		e.Accepted = e.Accepted || s.answer == accepted
		e.Refused = e.Refused || s.answer == refused
		e.Complaints = append(e.Complaints, s.complaints...)
	}
	e.Refused = e.Refused && !e.Accepted
	e.Answered = a.said(e)
	for _, s := range a.others {
		e.OtherWay = e.OtherWay || s.answer != silence
		// About the inner packet, the sender of the outer one matters not.
		e.Complaints = append(e.Complaints, slices.DeleteFunc(slices.Clone(s.complaints), func(c Complaint) bool { return c.Outer })...)
	}
	if a.target.Port == 0 && !e.Accepted {
		e.EchoIgnored = end.Device.EchoIgnored()
	}
	return e
}

func (a *attempt) said(e Evidence) string {
	what := "SYN-ACK"
	switch {
	case !e.Accepted && !e.Refused:
		return ""
	case e.Refused:
		what = "RST"
	case a.target.Port == 0:
		what = "echo reply"
	}
	return fmt.Sprintf("%s from %s after %v", what, a.target, a.fastest().Round(10*time.Microsecond))
}

// fastest returns the time that the first answer took.
func (a *attempt) fastest() time.Duration {
	var out time.Duration
	for _, s := range a.shots {
		if s.answer != silence && (out == 0 || s.rtt < out) {
			out = s.rtt
		}
	}
	return out
}

// RIP returns the address of this host to which a director would send: the one
// that the host itself uses towards the world, else the first one on a NIC. It
// is none of the VIPs; the zero Addr if there is none.
func RIP(got agent.Observed, vips []netip.Addr) netip.Addr {
	var first netip.Addr
	for _, a := range got.Addrs {
		addr := a.Prefix.Addr()
		nic := slices.ContainsFunc(got.Links, func(l agent.Link) bool { return l.Index == a.Index && l.ARP && l.Up })
		if !nic || slices.Contains(vips, addr) {
			continue
		}
		if addr == got.Source {
			return addr
		}
		if !first.IsValid() {
			first = addr
		}
	}
	return first
}

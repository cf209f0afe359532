package probe

import (
	"fmt"
	"net/netip"
	"slices"

	"rsagent/agent"
	"rsagent/agent/packet"
	"rsagent/sysctl"
)

// Evidence is everything from which the fate of the packets for one target,
// from one outer source, can be told.
type Evidence struct {
	Target      Target
	Device      string // through which the packets came in
	RIP, Source netip.Addr

	Accepted, Refused bool
	Answered          string // what the answer was, and how fast; "" if none came
	Complaints        []Complaint

	// Sent is how many packets for this target alone were sent between the two
	// readings of the counters of which Delta is the difference. 0 means that
	// the counters were not read.
	Sent  int
	Delta map[string]uint64

	// OtherWay is true if a packet that differs only in its outer source,
	// which is no director's, was answered.
	OtherWay bool
	// Unheard is true if directors are configured and Source had to be another
	// address, which a firewall may rightly drop.
	Unheard bool
	// EchoIgnored is true if this host answers no echo request at all
	// (net.ipv4.icmp_echo_ignore_all).
	EchoIgnored bool

	RPFilter int            // wanted on the tunnel, see sysctl.Profile
	Got      agent.Observed // as it was after the packets were sent
}

// moved returns how far a counter went up, and whether far enough for all of
// this target's packets.
func (e Evidence) moved(counter string) (uint64, bool) {
	d := e.Delta[counter]
	return d, e.Sent > 0 && d >= uint64(e.Sent)
}

// counted returns ", <counter> +3" if the counter supports what is said.
func (e Evidence) counted(counter string) string {
	if d, all := e.moved(counter); all {
		return fmt.Sprintf(", %s +%d", counter, d)
	}
	return ""
}

// complaint returns the first complaint about the outer or the inner packet.
func (e Evidence) complaint(outer bool) (Complaint, bool) {
	i := slices.IndexFunc(e.Complaints, func(c Complaint) bool { return c.Outer == outer })
	if i < 0 {
		return Complaint{}, false
	}
	return e.Complaints[i], true
}

func (e Evidence) complained(outer bool) string {
	if c, ok := e.complaint(outer); ok {
		return fmt.Sprintf(", ICMP says %s", c)
	}
	return ""
}

// taker returns the IPIP device that the kernel prefers to the fallback device
// for this outer packet. Order of lookup, among devices that are up: local and
// remote, remote, local, collect_md, fallback (ip_tunnel_lookup in
// net/ipv4/ip_tunnel.c).
func (e Evidence) taker() (agent.Link, bool) {
	best, rank := agent.Link{}, 0
	for _, l := range e.Got.Links {
		if l.Kind != "ipip" || !l.Up || l.Fallback() {
			continue
		}
		if r := e.preference(l); r > rank {
			best, rank = l, r
		}
	}
	return best, rank > 0
}

func (e Evidence) preference(l agent.Link) int {
	local, remote := l.Local == e.RIP, l.Remote == e.Source
	switch {
	case l.External:
		return 1
	case local && !l.Remote.IsValid():
		return 2
	case remote && !l.Local.IsValid():
		return 3
	case local && remote:
		return 4
	}
	return 0
}

// holder returns the device that has the VIP as an address.
func (e Evidence) holder() (agent.Link, bool) {
	for _, a := range e.Got.Addrs {
		if a.Prefix.Addr() != e.Target.VIP {
			continue
		}
		if i := slices.IndexFunc(e.Got.Links, func(l agent.Link) bool { return l.Index == a.Index }); i >= 0 {
			return e.Got.Links[i], true
		}
		return agent.Link{Index: a.Index, Name: "?"}, true
	}
	return agent.Link{}, false
}

// forwards reports whether a packet that comes out of the device and is not
// for this host is sent on (IN_DEV_FORWARD of the incoming device).
func (e Evidence) forwards(device string) bool {
	return e.Got.Sysctls[sysctl.Key{Scope: device, Name: "forwarding"}] != 0
}

// filtering returns the rule on rp_filter, the two values that count on the
// device, and whether they could be read.
func (e Evidence) filtering(device string) (rule sysctl.Rule, all, own int, known bool) {
	rules := sysctl.Profile(e.RPFilter)
	i := slices.IndexFunc(rules, func(r sysctl.Rule) bool { return r.Name == sysctl.RPFilter })
	all, okAll := e.Got.Sysctls[sysctl.Key{Scope: sysctl.All, Name: sysctl.RPFilter}]
	own, okOwn := e.Got.Sysctls[sysctl.Key{Scope: device, Name: sysctl.RPFilter}]
	return rules[i], all, own, okAll && okOwn
}

func (e Evidence) numbered(l agent.Link) bool {
	return slices.ContainsFunc(e.Got.Addrs, func(a agent.Addr) bool { return a.Index == l.Index })
}

// arrived reports whether the tunnel has counted all of this target's packets.
// It counts what it has unwrapped, before anything looks at the inner packet.
func (e Evidence) arrived() bool {
	tunnel, _ := e.Got.Tunnel()
	_, all := e.moved("rx/" + tunnel.Name)
	return all
}

// expired reports whether the host tried to forward the inner packet.
func (e Evidence) expired() bool {
	return slices.ContainsFunc(e.Complaints, func(c Complaint) bool { return !c.Outer && c.Type == packet.ICMPTimeExceeded })
}

// rejected returns a complaint about the inner packet that only a rule or a
// route makes.
func (e Evidence) rejected() (Complaint, bool) {
	c, ok := e.complaint(false)
	return c, ok && c.Type == packet.ICMPUnreachable
}

// difference returns how far each counter went up.
func difference(before, after map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for name, v := range after {
		if v > before[name] {
			out[name] = v - before[name]
		}
	}
	return out
}

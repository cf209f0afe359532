package probe

import (
	"fmt"
	"strings"

	"rsagent/agent/packet"
)

// HopState says whether the packet came past a hop.
type HopState int

// The states of a hop.
const (
	HopUnknown HopState = iota
	HopOK
	HopFailed
)

// String returns the name used in every output.
func (s HopState) String() string {
	switch s {
	case HopOK:
		return "ok"
	case HopFailed:
		return "failed"
	}
	return "unknown"
}

// MarshalText uses the names of String.
func (s HopState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Hop is one step on a packet's way, with what is known about it.
type Hop struct {
	Name     string   `json:"name"`
	State    HopState `json:"state"`
	Evidence string   `json:"evidence,omitempty"`
}

// hops are the names of all hops in the order of the way: the packet coming
// in, the kernel's handler of protocol 4, the tunnel, its reverse path filter,
// the VIP being local, the service, the reply.
var hops = [...]string{"packet in", "protocol 4", "tunnel", "rp_filter", "VIP", "service", "reply"}

// finding is what one hop has to say. Cause "" means that it is passed.
type finding struct {
	cause Cause
	said  string
}

// walk goes the packet's way and returns its hops, and the cause and the
// reason of the first that failed. Without an answer and without such a hop
// it was a firewall, before the tunnel or behind it.
func (e Evidence) walk() (way []Hop, cause Cause, why string) {
	looks := [...]func() finding{e.entrance, e.handler, e.tunnel, e.filter, e.address, e.service, e.reply}
	answered := e.Accepted || e.Refused
	for i, look := range looks {
		f := look()
		if answered && i < len(looks)-2 && f.cause != "" { // whatever the reading says
			f = finding{"", "passed, although " + f.said}
		}
		if f.cause != "" {
			return stopped(append(way, Hop{hops[i], HopFailed, f.said})), f.cause, f.said
		}
		if !answered && i == len(looks)-2 {
			return e.blame(way)
		}
		way = append(way, Hop{hops[i], HopOK, f.said})
	}
	return way, "", ""
}

// stopped adds the hops that the packet did not come to.
func stopped(way []Hop) []Hop {
	for _, name := range hops[len(way):] {
		way = append(way, Hop{name, HopUnknown, "not reached"})
	}
	return way
}

// blame names the firewall, because nothing else explains the silence. way are
// the hops before the service, all of them in order by themselves.
func (e Evidence) blame(way []Hop) ([]Hop, Cause, string) {
	if e.arrived() {
		tunnel, _ := e.Got.Tunnel()
		said := fmt.Sprintf("no answer from %s, although %d packets came out of %s: a firewall drops them there (rules on %s, a full conntrack table, a filter on documentation addresses), or the reply",
			e.Target, e.Delta["rx/"+tunnel.Name], tunnel.Name, tunnel.Name)
		return stopped(append(way, Hop{hops[5], HopFailed, said})), Firewall, said
	}
	said := fmt.Sprintf("a packet of protocol 4 from %s disappears before the tunnel sees it: a firewall drops it (look for rules on protocol 4, and let it in on %s too)", e.Source, e.Device)
	if e.OtherWay {
		said = fmt.Sprintf("a packet of protocol 4 from %s disappears before the tunnel sees it, and one from another sender does not: a firewall drops what this director sends", e.Source)
	}
	return stopped([]Hop{{hops[0], HopFailed, said}}), Firewall, said
}

// entrance: a packet to an address of this host, and a firewall that refuses
// it aloud. The kernel itself complains at the next two hops only.
func (e Evidence) entrance() finding {
	c, complained := e.complaint(true)
	tunnel, found := e.Got.Tunnel()
	if complained && c.Type == packet.ICMPTimeExceeded {
		return finding{Route, fmt.Sprintf("%s is not local: this host would send the packet on", e.RIP)}
	}
	_, shadowed := e.taker()
	able := found && tunnel.Up || shadowed
	if complained && (able || !c.unreachable(packet.ICMPProtocolUnreachable) && !c.unreachable(packet.ICMPPortUnreachable)) {
		return finding{Firewall, fmt.Sprintf("a rule rejects protocol 4 from %s: ICMP says %s, and the kernel itself had no reason to", e.Source, c)}
	}
	return finding{"", fmt.Sprintf("protocol 4 from %s to %s, through %s", e.Source, e.RIP, e.Device)}
}

// handler: without the module the kernel knows no protocol 4. Where another
// module has brought tunnel4 it says "port unreachable" instead.
func (e Evidence) handler() finding {
	if e.Got.Module.Loaded {
		return finding{"", "ipip loaded"}
	}
	return finding{NoModule, "nobody handles protocol 4, because the module ipip is not loaded" + e.complained(true) + e.counted("IpInUnknownProtos")}
}

func (e Evidence) tunnel() finding {
	tunnel, found := e.Got.Tunnel()
	if shadow, ok := e.taker(); ok && !e.arrived() {
		return finding{Shadow, fmt.Sprintf("%s takes packets from %s to %s before the tunnel is asked%s, and what comes out of it is not answered",
			shadow.Name, e.Source, e.RIP, e.counted("rx/"+shadow.Name))}
	}
	switch {
	case !found:
		return finding{TunnelMissing, "this network namespace has no IPIP device from any to any" + e.complained(true)}
	case !tunnel.Up:
		return finding{TunnelDown, tunnel.Name + " is down, so the kernel does not ask it" + e.complained(true)}
	}
	return finding{"", fmt.Sprintf("%s up%s", tunnel.Name, e.counted("rx/"+tunnel.Name))}
}

// filter: the kernel validates the source of an inner packet by the device it
// came out of, but only when it is for this host or to be forwarded
// (ip_route_input_slow in net/ipv4/route.c).
func (e Evidence) filter() finding {
	tunnel, _ := e.Got.Tunnel()
	rule, all, own, known := e.filtering(tunnel.Name)
	if !known {
		return finding{"", "could not be read"}
	}
	judged := rule.Judge(tunnel.Name, all, own)
	said := fmt.Sprintf("%d = max(all %d, %s %d)", judged.Effective, all, tunnel.Name, own)
	if _, held := e.holder(); !held && !e.forwards(tunnel.Name) {
		return finding{"", said + ", not asked"}
	}
	const counter = "TcpExtIPReversePathFilter"
	if judged.Effective == 1 {
		keys := make([]string, len(judged.Culprits))
		for i, scope := range judged.Culprits {
			keys[i] = fmt.Sprintf("net.ipv4.conf.%s.rp_filter", scope)
		}
		return finding{RPFilter, fmt.Sprintf("strict filtering drops what comes out of the tunnel: %s; change %s%s", said, strings.Join(keys, " and "), e.counted(counter))}
	}
	if judged.Effective == 2 && !e.numbered(tunnel) {
		return finding{RPFilter, fmt.Sprintf("loose filtering drops everything on a device without an address: %s; set it to 0, or put the VIP on %s%s", said, tunnel.Name, e.counted(counter))}
	}
	return finding{"", said}
}

func (e Evidence) address() finding {
	tunnel, _ := e.Got.Tunnel()
	holder, held := e.holder()
	switch verdict, asked := e.Got.Verdicts[e.Target.VIP]; {
	case !held && (e.expired() || e.forwards(tunnel.Name)):
		evidence := e.counted("IpInHdrErrors") // its TTL ends before IpForwDatagrams counts it
		if e.expired() {
			evidence = ", ICMP says time exceeded"
		}
		return finding{Forwarded, fmt.Sprintf("%s is no address of this host, which forwards: the packet leaves again and can loop%s", e.Target.VIP, evidence)}
	case !held:
		return finding{VIPMissing, fmt.Sprintf("%s is no address of this host, so the packet is dropped%s", e.Target.VIP, e.counted("IpInAddrErrors"))}
	case e.expired():
		return finding{Route, fmt.Sprintf("%s is on %s, and yet a rule or route forwards its packets: look at ip rule", e.Target.VIP, holder.Name)}
	case asked && !verdict.Local:
		return finding{Route, fmt.Sprintf("%s is on %s, and yet the kernel says %s: look at ip rule and ip route", e.Target.VIP, holder.Name, verdict.Text)}
	}
	return finding{"", fmt.Sprintf("%s on %s", e.Target.VIP, holder.Name)}
}

func (e Evidence) service() finding {
	if e.Accepted {
		return finding{"", e.Answered}
	}
	if e.Refused {
		return finding{NothingListening, fmt.Sprintf("nothing listens on %s: RST%s", e.Target, e.counted("TcpOutRsts"))}
	}
	if c, ok := e.rejected(); ok {
		return finding{Firewall, fmt.Sprintf("a rule rejects packets for %s: ICMP says %s", e.Target, c)}
	}
	if dropped, all := e.moved("TcpExtListenDrops"); all && e.Target.Port != 0 && e.arrived() {
		return finding{Backlog, fmt.Sprintf("the service on %s does not accept: its queue is full, TcpExtListenDrops +%d", e.Target, dropped)}
	}
	return finding{"", ""}
}

func (e Evidence) reply() finding {
	return finding{"", fmt.Sprintf("from %s, directly to the client", e.Target.VIP)}
}

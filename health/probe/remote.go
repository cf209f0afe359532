package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"rsagent/agent/packet"
)

// Remote probes a real server from where a director is: the packet goes over
// the real network to the RIP, and the answer comes directly from the VIP. The
// sender of both headers is this host.
type Remote struct {
	Wire    Wire
	Local   netip.Addr // this host's address towards the RIP
	RIP     netip.Addr
	Target  Target
	Timeout time.Duration // for one try; 0 means a second
}

const (
	remoteTimeout = time.Second
	remoteTries   = 3
	networkTTL    = 64 // of the outer packet, which may pass routers
)

// Probe sends up to three packets, one at a time, until one is answered. No
// more than the kernel of the real server says by ICMP can be told from here;
// rsagent probe on the real server itself knows more.
func (r Remote) Probe(ctx context.Context) Result {
	out := Result{Target: r.Target, Source: r.Local, Time: time.Now()}
	var shots []*shot
	for range remoteTries {
		s := r.shot(0)
		if err := r.flight().fire(ctx, []*shot{s}, r.timeout()); err != nil {
			out.Outcome, out.Why = CouldNotTell, err.Error()
			return out
		}
		if shots = append(shots, s); s.settled() {
			break
		}
	}
	last := shots[len(shots)-1]
	out.RTT = last.rtt
	out.Outcome, out.Cause, out.Why = remoteVerdict(r.Target, r.RIP, last)
	out.Way = remoteWay(r, last, out)
	return out
}

func remoteVerdict(t Target, rip netip.Addr, s *shot) (Outcome, Cause, string) {
	switch s.answer {
	case accepted:
		return Pass, "", ""
	case refused:
		return Refused, NothingListening, fmt.Sprintf("nothing listens on %s: RST", t)
	}
	for _, c := range s.complaints {
		return complainedFrom(c, t, rip)
	}
	return Fail, Silent, fmt.Sprintf("no answer from %s to %d packets through %s: rp_filter, a missing VIP or a firewall there, or a firewall here that drops what comes from the VIP; rsagent probe on the real server tells which", t, remoteTries, rip)
}

// complainedFrom reads a complaint of the real server, or of a router.
func complainedFrom(c Complaint, t Target, rip netip.Addr) (Outcome, Cause, string) {
	switch {
	case c.Outer && c.From == rip && c.unreachable(packet.ICMPProtocolUnreachable):
		return Fail, NoModule, fmt.Sprintf("%s says protocol unreachable: nobody there handles protocol 4, the module ipip is not loaded", rip)
	case c.Outer && c.From == rip && c.unreachable(packet.ICMPPortUnreachable):
		return Fail, TunnelDown, fmt.Sprintf("%s says port unreachable: its tunnel is down or missing, or a rule rejects protocol 4", rip)
	case !c.Outer && c.Type == packet.ICMPTimeExceeded:
		return Fail, Forwarded, fmt.Sprintf("%s would send the packet on, because %s is none of its addresses: time exceeded, says %s", rip, t.VIP, c.From)
	case !c.Outer:
		return Fail, Firewall, fmt.Sprintf("a rule behind the tunnel rejects packets for %s: %s, says %s", t, c, c.From)
	case c.From == rip:
		return Fail, Firewall, fmt.Sprintf("a rule on %s rejects protocol 4: %s", rip, c)
	}
	return CouldNotTell, "", fmt.Sprintf("the packet does not get to %s: %s, says %s", rip, c, c.From)
}

// remoteWay tells no more hops than can be seen from here.
func remoteWay(r Remote, s *shot, out Result) []Hop {
	way := []Hop{{hops[0], HopOK, fmt.Sprintf("protocol 4 from %s to %s, over the network", r.Local, r.RIP)}}
	if s.answer == silence {
		state := HopFailed
		if out.Outcome == CouldNotTell {
			state = HopUnknown
		}
		return append(way, Hop{"real server", state, out.Why})
	}
	way = append(way, Hop{"real server", HopOK, fmt.Sprintf("%s unwraps it, and %s is its own", r.RIP, r.Target.VIP)})
	if s.answer == refused {
		return append(way, Hop{"service", HopFailed, out.Why})
	}
	what := "SYN-ACK"
	if r.Target.Port == 0 {
		what = "echo reply"
	}
	return append(way,
		Hop{"service", HopOK, fmt.Sprintf("%s from %s", what, r.Target)},
		Hop{"reply", HopOK, fmt.Sprintf("directly from %s after %v", r.Target.VIP, s.rtt.Round(10*time.Microsecond))})
}

// headers of a TCP segment without options.
const plainHeaders = 40

// MSSOf returns the largest TCP segment in an inner packet of that size.
func MSSOf(packet int) int { return packet - plainHeaders }

// smallestMTU is what every IPv4 link carries (RFC 791).
const smallestMTU = 68

// LargestPacket returns the size of the largest inner packet that is answered,
// up to limit, with "don't fragment" in both headers. It is found by halving;
// a size is given up after three tries. SYNs are made large by data, which a
// server takes no notice of, so that only the way through the tunnel is
// measured; an echo is large both ways. If not even a small packet is
// answered the error says so.
func (r Remote) LargestPacket(ctx context.Context, limit int) (int, error) {
	small, large := smallestMTU, limit+1 // answered, not answered
	if ok, err := r.answered(ctx, small); err != nil || !ok {
		return 0, errors.Join(err, fmt.Errorf("no answer from %s through %s, not even to %d bytes", r.Target, r.RIP, small))
	}
	for large-small > 1 {
		// The usual sizes first would be guessing; halving takes eleven steps.
		middle := (small + large) / 2
		ok, err := r.answered(ctx, middle)
		if err != nil {
			return 0, fmt.Errorf("%d bytes to %s: %w", middle, r.RIP, err)
		}
		if ok {
			small = middle
		} else {
			large = middle
		}
	}
	return small, nil
}

func (r Remote) answered(ctx context.Context, size int) (bool, error) {
	for range remoteTries {
		s := r.shot(size)
		if err := r.flight().fire(ctx, []*shot{s}, r.timeout()); err != nil {
			return false, err
		}
		if s.settled() {
			return s.answer != silence, nil
		}
	}
	return false, nil
}

// shot takes a port above those that Linux gives to its own connections
// (net.ipv4.ip_local_port_range ends at 60999).
func (r Remote) shot(size int) *shot {
	return &shot{
		target: r.Target, client: r.Local, source: r.Local, size: size,
		number: 61000 + uint16(rand.UintN(4500)),
	}
}

func (r Remote) flight() *flight {
	return &flight{wire: r.Wire, rip: r.RIP, outerTTL: networkTTL, byKey: map[key]*shot{}, buf: make([]byte, packetSize)}
}

func (r Remote) timeout() time.Duration {
	if r.Timeout > 0 {
		return r.Timeout
	}
	return remoteTimeout
}

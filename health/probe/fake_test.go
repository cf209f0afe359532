package probe_test

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"rsagent/agent"
	"rsagent/agent/packet"
	"rsagent/health/probe"
	"rsagent/sysctl"
)

var (
	rip      = netip.MustParseAddr("10.0.0.2")
	dip      = netip.MustParseAddr("10.0.0.4")
	dip2     = netip.MustParseAddr("10.0.0.5")
	vip      = netip.MustParseAddr("10.0.0.100")
	client   = netip.MustParseAddr("192.0.2.254")
	stranger = netip.MustParseAddr("198.51.100.254")
	web      = probe.Target{VIP: vip, Port: 80}
	echo     = probe.Target{VIP: vip}
)

// host models a real server's IP stack as seen through a probe device, as far as a probe goes.
type host struct {
	mu       sync.Mutex
	got      agent.Observed // what is read of it, and what it goes by
	lost     int            // that many packets are dropped first
	firewall func(outer packet.Header) bool
	drops    func(inner packet.Header) bool
	reject   func(outer packet.Header) bool
	open     map[uint16]bool // ports that somebody listens on
	full     bool            // and does not accept
	ignores  bool            // echo requests
	counts   map[string]uint64
	quiet    bool  // no ICMP errors, because of their rate limit
	broken   error // of the device

	packets  int // that have come in
	half     int // open connections that were not reset
	most     int
	closed   int
	answers  chan []byte
	deadline time.Time
	changed  chan struct{}
}

func newHost() *host {
	return &host{
		got: agent.Observed{
			Module: agent.Module{Loaded: true},
			Links: []agent.Link{
				{Index: 1, Name: "lo", Up: true},
				{Index: 2, Name: "eth0", Up: true, ARP: true},
				{Index: 3, Name: "tunl0", Kind: "ipip", Up: true},
			},
			Addrs: []agent.Addr{
				{Index: 2, Prefix: netip.PrefixFrom(rip, 24)},
				{Index: 3, Prefix: netip.PrefixFrom(vip, 32)},
			},
			Sysctls: map[sysctl.Key]int{
				{Scope: "all", Name: "rp_filter"}: 0, {Scope: "tunl0", Name: "rp_filter"}: 0, {Scope: "tunl0", Name: "forwarding"}: 0,
			},
			Source: rip,
		},
		open: map[uint16]bool{80: true}, counts: map[string]uint64{},
		answers: make(chan []byte, 10000), changed: make(chan struct{}, 1),
	}
}

func (h *host) prober() *probe.Prober {
	return &probe.Prober{
		Open: func([]netip.Addr) (probe.Endpoint, error) {
			return probe.Endpoint{Device: h, Name: "rsprobe0", Client: client, Stranger: stranger}, nil
		},
		Look: func(context.Context) (agent.Observed, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.got, nil
		},
	}
}

func (h *host) Close() error           { h.closed++; return nil }
func (h *host) Check() error           { return h.broken }
func (h *host) Passes(netip.Addr) bool { return true }
func (h *host) EchoIgnored() bool      { return h.ignores }
func (h *host) set(scope string, v int) {
	h.got.Sysctls[sysctl.Key{Scope: scope, Name: "rp_filter"}] = v
}
func (h *host) count(name string)          { h.counts[name]++ }
func (h *host) answer(b []byte, err error) { must(err); h.answers <- b }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (h *host) Counters() (map[string]uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.counts), nil
}

func (h *host) SetReadDeadline(t time.Time) error {
	h.mu.Lock()
	h.deadline = t
	h.mu.Unlock()
	select {
	case h.changed <- struct{}{}:
	default:
	}
	return nil
}

func (h *host) Read(b []byte) (int, error) {
	for {
		h.mu.Lock()
		wait := time.Until(h.deadline)
		h.mu.Unlock()
		if wait <= 0 {
			return 0, os.ErrDeadlineExceeded
		}
		select {
		case p := <-h.answers:
			return copy(b, p), nil
		case <-h.changed:
		case <-time.After(wait):
		}
	}
}

func (h *host) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken != nil {
		return 0, h.broken
	}
	h.packets++
	if h.lost--; h.lost < 0 {
		h.receive(slices.Clone(b))
	}
	return len(b), nil
}

func (h *host) complain(code, kind uint8, to netip.Addr, about []byte) {
	if h.quiet || to != client && to != stranger {
		return // to a director on the real network
	}
	h.answer(packet.ICMP{Src: rip, Dst: to, Type: kind, Code: code, Payload: about}.Packet(64))
}

// decapsulate returns the packet inside an IPIP packet, and the outer header.
func decapsulate(b []byte) ([]byte, packet.Header) {
	outer, inner, err := packet.Parse(b)
	must(err)
	if outer.Protocol != packet.ProtocolIPIP || outer.Fragment() {
		panic("not a whole packet of protocol 4")
	}
	return inner, outer
}

// reply is the answer to an echo request.
func reply(request packet.ICMP) ([]byte, error) {
	return packet.ICMP{
		Src: request.Dst, Dst: request.Src, Type: packet.ICMPEchoReply, ID: request.ID, Seq: request.Seq, Payload: request.Payload,
	}.Packet(64)
}

func (h *host) receive(received []byte) {
	inner, outer := decapsulate(received)
	if outer.TTL != 1 || outer.Dst != rip {
		panic("the outer packet could leave the host")
	}
	if h.firewall != nil && h.firewall(outer) {
		return
	}
	if h.reject != nil && h.reject(outer) {
		h.complain(packet.ICMPPortUnreachable, packet.ICMPUnreachable, outer.Src, received)
		return
	}
	if !h.got.Module.Loaded {
		h.count("IpInUnknownProtos")
		h.complain(packet.ICMPProtocolUnreachable, packet.ICMPUnreachable, outer.Src, received)
		return
	}
	device := ""
	for _, l := range h.got.Links {
		takes := l.Kind == "ipip" && l.Up && (!l.Local.IsValid() || l.Local == rip) && (!l.Remote.IsValid() || l.Remote == outer.Src)
		if takes && (device == "" || !l.Fallback()) {
			device = l.Name
		}
	}
	if device == "" {
		h.complain(packet.ICMPPortUnreachable, packet.ICMPUnreachable, outer.Src, received)
		return
	}
	h.count("rx/" + device)
	h.route(device, inner)
}

func (h *host) route(device string, inner []byte) {
	ip, _, err := packet.Parse(inner)
	must(err)
	if ip.TTL != 1 {
		panic("the inner packet could be forwarded")
	}
	held := slices.ContainsFunc(h.got.Addrs, func(a agent.Addr) bool { return a.Prefix.Addr() == ip.Dst })
	forwards := h.got.Sysctls[sysctl.Key{Scope: device, Name: "forwarding"}] != 0
	filter := max(h.got.Sysctls[sysctl.Key{Scope: "all", Name: "rp_filter"}], h.got.Sysctls[sysctl.Key{Scope: device, Name: "rp_filter"}])
	switch {
	case !held && !forwards:
		h.count("IpInAddrErrors")
	case filter == 1:
		h.count("TcpExtIPReversePathFilter")
	case !held:
		h.count("IpInHdrErrors")
		h.complain(0, packet.ICMPTimeExceeded, ip.Src, inner)
	case h.drops != nil && h.drops(ip):
	default:
		h.deliver(inner)
	}
}

func (h *host) deliver(inner []byte) {
	if request, err := packet.ParseICMP(inner); err == nil {
		if !h.ignores {
			h.answer(reply(request))
		}
		return
	}
	s, err := packet.ParseTCP(inner)
	must(err)
	answer := packet.TCP{Src: s.Dst, Dst: s.Src, Seq: 99, Ack: s.Seq + 1, Flags: packet.SYN | packet.ACK}
	switch {
	case s.Flags == packet.RST:
		h.half--
		return
	case !h.open[s.Dst.Port()]:
		h.count("TcpOutRsts")
		answer.Flags = packet.RST | packet.ACK
	case h.full:
		h.count("TcpExtListenDrops")
		return
	default:
		h.half++
		h.most = max(h.most, h.half)
	}
	h.answer(answer.Packet(64))
}

var errBroken = errors.New("file descriptor in bad state")

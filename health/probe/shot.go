package probe

import (
	"fmt"
	"net/netip"
	"time"

	"rsagent/agent/packet"
)

// key tells requests apart: protocol, client and VIP, and the two ports of a
// SYN or the id and sequence number of an echo.
type key struct {
	protocol    uint8
	client, vip netip.Addr
	a, b        uint16
}

type answer int

const (
	silence answer = iota
	accepted
	refused
)

// A shot is one packet and what came of it.
type shot struct {
	target     Target
	client     netip.Addr
	source     netip.Addr // of the outer packet
	number     uint16     // client's port, or the echo's sequence number
	size       int        // of the inner packet; 0 is as small as it gets
	sent       time.Time
	answer     answer
	rtt        time.Duration
	complaints []Complaint
}

const (
	innerTTL   = 1    // see the package comment
	offeredMSS = 1460 // of a client on Ethernet

	synHeaders  = 20 + 24 // IPv4, TCP with one option
	echoHeaders = 20 + 8
)

// echoID marks our echos among others'; the sequence number tells them apart.
const echoID = 0x7273

func (s *shot) settled() bool { return s.answer != silence || len(s.complaints) > 0 }

func (s *shot) key() key {
	if s.target.Port == 0 {
		return key{packet.ProtocolICMP, s.client, s.target.VIP, echoID, s.number}
	}
	return key{packet.ProtocolTCP, s.client, s.target.VIP, s.number, s.target.Port}
}

func (s *shot) syn() packet.TCP {
	src, dst := netip.AddrPortFrom(s.client, s.number), netip.AddrPortFrom(s.target.VIP, s.target.Port)
	// A number that follows from the port is enough: nobody guesses it to harm
	// a connection that never opens.
	syn := packet.NewSYN(src, dst, uint32(s.number)<<16|0x5253, offeredMSS)
	if s.size > synHeaders {
		syn.Payload = make([]byte, s.size-synHeaders)
	}
	return syn
}

func (s *shot) echo() packet.ICMP {
	data := []byte("rsagent probe")
	if s.size > 0 {
		data = make([]byte, max(0, s.size-echoHeaders))
	}
	return packet.NewEchoRequest(s.client, s.target.VIP, echoID, s.number, data)
}

// encapsulated returns the whole packet, outer header included.
func (s *shot) encapsulated(rip netip.Addr, outerTTL uint8) ([]byte, error) {
	inner, err := s.inner()
	if err != nil {
		return nil, fmt.Errorf("probe of %s: %w", s.target, err)
	}
	return encapsulate(inner, s.source, rip, outerTTL)
}

func (s *shot) inner() ([]byte, error) {
	if s.target.Port == 0 {
		return s.echo().Packet(innerTTL)
	}
	return s.syn().Packet(innerTTL)
}

func encapsulate(inner []byte, source, rip netip.Addr, ttl uint8) ([]byte, error) {
	return packet.Encapsulate(inner, packet.Outer{Src: source, Dst: rip, Protocol: packet.ProtocolIPIP, TTL: ttl})
}

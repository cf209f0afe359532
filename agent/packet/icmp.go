package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// ICMP types and codes (RFC 792) that tell a probe what became of its packet.
const (
	ICMPEchoReply    = 0
	ICMPUnreachable  = 3
	ICMPEchoRequest  = 8
	ICMPTimeExceeded = 11

	ICMPProtocolUnreachable = 2 // code of ICMPUnreachable: no handler for the protocol, such as a tunnel's module
	ICMPPortUnreachable     = 3 // code of ICMPUnreachable: the module is loaded, and no tunnel device takes the packet
)

const icmpHeaderLen = 8

// ICMP is an ICMP message with the addresses of its packet. ID and Seq are
// those of an echo, and for other types whatever stands in their place. Payload
// is what follows: an echo's data, or the first bytes of the packet that an
// error is about (see [ParseQuote]).
type ICMP struct {
	Src, Dst   netip.Addr
	Type, Code uint8
	ID, Seq    uint16
	Payload    []byte
}

// NewEchoRequest asks dst to send data back.
func NewEchoRequest(src, dst netip.Addr, id, seq uint16, data []byte) ICMP {
	return ICMP{Src: src, Dst: dst, Type: ICMPEchoRequest, ID: id, Seq: seq, Payload: data}
}

// Answers reports whether m is the echo reply to that request.
func (m ICMP) Answers(request ICMP) bool {
	return m.Type == ICMPEchoReply && m.Src == request.Dst && m.Dst == request.Src && m.ID == request.ID && m.Seq == request.Seq
}

// Packet returns the packet that carries the message, with all checksums and
// DF.
func (m ICMP) Packet(ttl uint8) ([]byte, error) {
	b := make([]byte, icmpHeaderLen, icmpHeaderLen+len(m.Payload))
	b[0], b[1] = m.Type, m.Code
	binary.BigEndian.PutUint16(b[4:], m.ID)
	binary.BigEndian.PutUint16(b[6:], m.Seq)
	b = append(b, m.Payload...)
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	packet, err := Build(Header{DF: true, TTL: ttl, Protocol: ProtocolICMP, Src: m.Src, Dst: m.Dst}, b)
	if err != nil {
		return nil, fmt.Errorf("icmp message: %w", err)
	}
	return packet, nil
}

// ParseICMP returns the ICMP message in a packet, after checking the packet as
// [Parse] does, that it is whole, and the message's length and checksum.
func ParseICMP(packet []byte) (ICMP, error) {
	h, b, err := parseTransport(packet, ProtocolICMP, icmpHeaderLen)
	if err != nil {
		return ICMP{}, fmt.Errorf("icmp message: %w", err)
	}
	if checksum(b) != 0 {
		return ICMP{}, errors.New("icmp message: wrong checksum")
	}
	return ICMP{
		Src:     h.Src,
		Dst:     h.Dst,
		Type:    b[0],
		Code:    b[1],
		ID:      binary.BigEndian.Uint16(b[4:]),
		Seq:     binary.BigEndian.Uint16(b[6:]),
		Payload: b[icmpHeaderLen:],
	}, nil
}

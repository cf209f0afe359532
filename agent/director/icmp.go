package director

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// ICMP types and codes (RFC 792) that tell a probe what became of its packet.
const (
	ICMPEchoReply   = 0
	ICMPUnreachable = 3
	ICMPEchoRequest = 8

	ICMPProtocolUnreachable = 2 // code of ICMPUnreachable: no handler for protocol 4, the module is not loaded
	ICMPPortUnreachable     = 3 // code of ICMPUnreachable: the module is loaded, and no tunnel device takes the packet
)

const icmpHeaderLen = 8

// ICMPMessage is an ICMP message with the addresses of its packet. ID and Seq are those of an echo, and for other types
// whatever stands in their place. Payload is what follows: an echo's data, or the first bytes of the packet that an
// error is about.
type ICMPMessage struct {
	Src, Dst   netip.Addr
	Type, Code uint8
	ID, Seq    uint16
	Payload    []byte
}

// EchoRequest asks dst to send data back.
func EchoRequest(src, dst netip.Addr, id, seq uint16, data []byte) ICMPMessage {
	return ICMPMessage{Src: src, Dst: dst, Type: ICMPEchoRequest, ID: id, Seq: seq, Payload: data}
}

// Reply returns the echo reply to an echo request.
func (m ICMPMessage) Reply() ICMPMessage {
	m.Src, m.Dst, m.Type, m.Code = m.Dst, m.Src, ICMPEchoReply, 0
	return m
}

// Answers reports whether m is the echo reply to that request.
func (m ICMPMessage) Answers(request ICMPMessage) bool {
	return m.Type == ICMPEchoReply && m.Src == request.Dst && m.Dst == request.Src && m.ID == request.ID && m.Seq == request.Seq
}

// Packet returns the IPv4 packet that carries the message, with all checksums and a TTL of 64.
func (m ICMPMessage) Packet() ([]byte, error) {
	b := make([]byte, icmpHeaderLen, icmpHeaderLen+len(m.Payload))
	b[0], b[1] = m.Type, m.Code
	binary.BigEndian.PutUint16(b[4:], m.ID)
	binary.BigEndian.PutUint16(b[6:], m.Seq)
	b = append(b, m.Payload...)
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	packet, err := BuildIPv4(IPv4Header{DF: true, TTL: probeTTL, Protocol: protocolICMP, Src: m.Src, Dst: m.Dst}, b)
	if err != nil {
		return nil, fmt.Errorf("icmp message: %w", err)
	}
	return packet, nil
}

// ParseICMP returns the ICMP message in an IPv4 packet, after checking the packet as [ParseIPv4] does, that it is whole,
// and the message's length and checksum.
func ParseICMP(packet []byte) (ICMPMessage, error) {
	h, b, err := ParseIPv4(packet)
	switch {
	case err != nil:
		return ICMPMessage{}, fmt.Errorf("icmp message: %w", err)
	case h.Protocol != protocolICMP:
		return ICMPMessage{}, fmt.Errorf("icmp message: protocol %d: want %d", h.Protocol, protocolICMP)
	case h.Fragment():
		return ICMPMessage{}, errors.New("icmp message: in a fragment")
	case len(b) < icmpHeaderLen:
		return ICMPMessage{}, fmt.Errorf("icmp message: %d bytes: shorter than a header", len(b))
	case checksum(b) != 0:
		return ICMPMessage{}, errors.New("icmp message: wrong checksum")
	}
	return ICMPMessage{
		Src:     h.Src,
		Dst:     h.Dst,
		Type:    b[0],
		Code:    b[1],
		ID:      binary.BigEndian.Uint16(b[4:]),
		Seq:     binary.BigEndian.Uint16(b[6:]),
		Payload: b[icmpHeaderLen:],
	}, nil
}

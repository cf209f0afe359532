package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

const (
	tcpHeaderLen  = 20
	tcpChecksumAt = 16

	// unscaledWindow is the largest receive window without scaling.
	unscaledWindow = 65535

	tcpOptionEnd = 0
	tcpOptionNop = 1
	tcpOptionMSS = 2
)

// TCPFlags are the control bits of a TCP segment (RFC 9293, section 3.1).
type TCPFlags uint8

// The control bits that opening and refusing a connection uses.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// TCP is a TCP segment (RFC 9293) with the addresses of its packet. Of the
// options it knows the MSS only.
type TCP struct {
	Src, Dst netip.AddrPort
	Seq, Ack uint32
	Flags    TCPFlags
	Window   uint16
	MSS      uint16 // maximum segment size, of a SYN; 0 is no such option
	Payload  []byte
}

// NewSYN asks dst to open a connection from src, with that initial sequence
// number. An mss of 0 offers none, which means 536 to the other end (RFC 9293,
// section 3.7.1).
func NewSYN(src, dst netip.AddrPort, seq uint32, mss uint16) TCP {
	return TCP{Src: src, Dst: dst, Seq: seq, Flags: SYN, Window: unscaledWindow, MSS: mss}
}

// Reset returns the segment that ends the connection which the other end opened
// by answering with s: from where s went to, with the sequence number that s
// expects next. Sent after a SYN-ACK, it keeps the SYN-ACK from being repeated.
func (s TCP) Reset() TCP {
	return TCP{Src: s.Dst, Dst: s.Src, Seq: s.Ack, Flags: RST}
}

// Accepts reports whether s is the SYN-ACK to that SYN: the port is open.
func (s TCP) Accepts(syn TCP) bool {
	return s.Flags&(SYN|ACK|RST|FIN) == SYN|ACK && s.answers(syn)
}

// Refuses reports whether s is the RST to that SYN: the packet arrived, and the
// port is closed.
func (s TCP) Refuses(syn TCP) bool {
	return s.Flags&(RST|ACK) == RST|ACK && s.answers(syn)
}

// answers requires the acknowledgment of the SYN itself, which takes one
// sequence number (RFC 9293, section 3.10.7.3): an answer to an earlier SYN
// from the same port is none to this one.
func (s TCP) answers(syn TCP) bool {
	return s.Src == syn.Dst && s.Dst == syn.Src && s.Ack == syn.Seq+1
}

// Packet returns the packet that carries the segment, with all checksums and
// DF.
func (s TCP) Packet(ttl uint8) ([]byte, error) {
	b := make([]byte, tcpHeaderLen, tcpHeaderLen+4+len(s.Payload))
	binary.BigEndian.PutUint16(b, s.Src.Port())
	binary.BigEndian.PutUint16(b[2:], s.Dst.Port())
	binary.BigEndian.PutUint32(b[4:], s.Seq)
	binary.BigEndian.PutUint32(b[8:], s.Ack)
	b[13] = byte(s.Flags)
	binary.BigEndian.PutUint16(b[14:], s.Window)
	if s.MSS != 0 {
		b = append(b, tcpOptionMSS, 4, byte(s.MSS>>8), byte(s.MSS))
	}
	b[12] = byte(len(b)/4) << 4
	b = append(b, s.Payload...)
	src, dst := s.Src.Addr(), s.Dst.Addr()
	binary.BigEndian.PutUint16(b[tcpChecksumAt:], checksum(pseudoHeader(src, dst, ProtocolTCP, len(b)), b))
	packet, err := Build(Header{DF: true, TTL: ttl, Protocol: ProtocolTCP, Src: src, Dst: dst}, b)
	if err != nil {
		return nil, fmt.Errorf("tcp segment: %w", err)
	}
	return packet, nil
}

// ParseTCP returns the TCP segment in a packet, after checking the packet as
// [Parse] does, that it is whole, and the segment's length and checksum.
// Unknown options are skipped.
func ParseTCP(packet []byte) (TCP, error) {
	h, b, err := parseTransport(packet, ProtocolTCP, tcpHeaderLen)
	if err != nil {
		return TCP{}, fmt.Errorf("tcp segment: %w", err)
	}
	headerLen := int(b[12]>>4) * 4
	if headerLen < tcpHeaderLen || headerLen > len(b) {
		return TCP{}, fmt.Errorf("tcp segment: header of %d bytes in %d", headerLen, len(b))
	}
	if checksum(pseudoHeader(h.Src, h.Dst, ProtocolTCP, len(b)), b) != 0 {
		return TCP{}, errors.New("tcp segment: wrong checksum")
	}
	return TCP{
		Src:     netip.AddrPortFrom(h.Src, binary.BigEndian.Uint16(b)),
		Dst:     netip.AddrPortFrom(h.Dst, binary.BigEndian.Uint16(b[2:])),
		Seq:     binary.BigEndian.Uint32(b[4:]),
		Ack:     binary.BigEndian.Uint32(b[8:]),
		Flags:   TCPFlags(b[13]),
		Window:  binary.BigEndian.Uint16(b[14:]),
		MSS:     mssOption(b[tcpHeaderLen:headerLen]),
		Payload: b[headerLen:],
	}, nil
}

// CompleteTCP computes the checksum of a TCP segment that holds the sum over
// its pseudo header in that place, because Linux left the rest to the hardware
// (CHECKSUM_PARTIAL in include/linux/skbuff.h). It changes packet itself, and
// nothing in one that is cut off or of another protocol.
func CompleteTCP(packet []byte) {
	_, b, err := parseTransport(packet, ProtocolTCP, tcpHeaderLen)
	if err != nil {
		return
	}
	binary.BigEndian.PutUint16(b[tcpChecksumAt:], checksum(b))
}

// mssOption finds the MSS among the options (RFC 9293, section 3.2). A
// malformed list counts as far as it can be read.
func mssOption(options []byte) uint16 {
	for len(options) > 0 {
		switch kind := options[0]; {
		case kind == tcpOptionEnd:
			return 0
		case kind == tcpOptionNop:
			options = options[1:]
			continue
		case len(options) < 2 || options[1] < 2 || int(options[1]) > len(options):
			return 0
		case kind == tcpOptionMSS && options[1] == 4:
			return binary.BigEndian.Uint16(options[2:])
		}
		options = options[options[1]:]
	}
	return 0
}

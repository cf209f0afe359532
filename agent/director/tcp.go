package director

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

const (
	tcpHeaderLen = 20

	// probeTTL is the initial TTL that RFC 1700 recommends and Linux uses.
	probeTTL = 64
	// probeWindow is a receive window without scaling.
	probeWindow = 65535

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

// TCPSegment is a TCP segment (RFC 9293) with the addresses of its packet. Of the options it knows the MSS only.
type TCPSegment struct {
	Src, Dst netip.AddrPort
	Seq, Ack uint32
	Flags    TCPFlags
	Window   uint16
	MSS      uint16 // maximum segment size, of a SYN; 0 is no such option
	Payload  []byte
}

// SYNSegment asks dst to open a connection from src, with that initial sequence number. An mss of 0 offers none, which
// means 536 to the other end (RFC 9293, section 3.7.1).
func SYNSegment(src, dst netip.AddrPort, seq uint32, mss uint16) TCPSegment {
	return TCPSegment{Src: src, Dst: dst, Seq: seq, Flags: SYN, Window: probeWindow, MSS: mss}
}

// Reset returns the segment that ends the connection which the other end opened by answering with s: from where s went
// to, with the sequence number that s expects next. Sent after a SYN-ACK, it keeps the SYN-ACK from being repeated.
func (s TCPSegment) Reset() TCPSegment {
	return TCPSegment{Src: s.Dst, Dst: s.Src, Seq: s.Ack, Flags: RST}
}

// Accepts reports whether s is the SYN-ACK to that SYN: somebody listens.
func (s TCPSegment) Accepts(syn TCPSegment) bool {
	return s.Flags&(SYN|ACK|RST|FIN) == SYN|ACK && s.answers(syn)
}

// Refuses reports whether s is the RST to that SYN: the packet arrived, and nobody listens.
func (s TCPSegment) Refuses(syn TCPSegment) bool {
	return s.Flags&(RST|ACK) == RST|ACK && s.answers(syn)
}

// answers requires the acknowledgment of the SYN itself, which takes one sequence number (RFC 9293, section 3.10.7.3):
// an answer to an earlier SYN from the same port is none to this one.
func (s TCPSegment) answers(syn TCPSegment) bool {
	return s.Src == syn.Dst && s.Dst == syn.Src && s.Ack == syn.Seq+1
}

// Packet returns the IPv4 packet that carries the segment, with all checksums, a TTL of 64 and DF, as Linux sends it.
func (s TCPSegment) Packet() ([]byte, error) {
	if !s.Src.Addr().Is4() || !s.Dst.Addr().Is4() {
		return nil, fmt.Errorf("tcp segment from %s to %s: want IPv4 addresses", s.Src, s.Dst)
	}
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
	h := IPv4Header{DF: true, TTL: probeTTL, Protocol: protocolTCP, Src: s.Src.Addr(), Dst: s.Dst.Addr()}
	binary.BigEndian.PutUint16(b[16:], checksum(pseudoHeader(h, len(b)), b))
	return BuildIPv4(h, b)
}

// ParseTCP returns the TCP segment in an IPv4 packet, after checking the packet as [ParseIPv4] does, that it is whole,
// and the segment's length and checksum. Unknown options are skipped.
func ParseTCP(packet []byte) (TCPSegment, error) {
	h, b, err := ParseIPv4(packet)
	switch {
	case err != nil:
		return TCPSegment{}, fmt.Errorf("tcp segment: %w", err)
	case h.Protocol != protocolTCP:
		return TCPSegment{}, fmt.Errorf("tcp segment: protocol %d: want %d", h.Protocol, protocolTCP)
	case h.Fragment():
		return TCPSegment{}, errors.New("tcp segment: in a fragment")
	case len(b) < tcpHeaderLen:
		return TCPSegment{}, fmt.Errorf("tcp segment: %d bytes: shorter than a header", len(b))
	}
	headerLen := int(b[12]>>4) * 4
	if headerLen < tcpHeaderLen || headerLen > len(b) {
		return TCPSegment{}, fmt.Errorf("tcp segment: header of %d bytes in %d", headerLen, len(b))
	}
	if checksum(pseudoHeader(h, len(b)), b) != 0 {
		return TCPSegment{}, errors.New("tcp segment: wrong checksum")
	}
	return TCPSegment{
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

// mssOption finds the MSS among the options (RFC 9293, section 3.2). A malformed list counts as far as it can be read.
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

// pseudoHeader is what the TCP checksum covers beside the segment (RFC 9293, section 3.1).
func pseudoHeader(h IPv4Header, length int) []byte {
	b := make([]byte, 0, 12)
	b = append(b, h.Src.AsSlice()...)
	b = append(b, h.Dst.AsSlice()...)
	b = append(b, 0, h.Protocol)
	return binary.BigEndian.AppendUint16(b, uint16(length))
}

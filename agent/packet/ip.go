package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// IP protocol numbers (IANA). IPIP is 4, "ipencap" in /etc/protocols; the
// "ipip" of that file is 94, another protocol.
const (
	ProtocolICMP = 1
	ProtocolIPIP = 4
	ProtocolTCP  = 6
)

const (
	ipv4HeaderLen = 20
	maxPacket     = 65535

	flagDF     = 0x4000
	flagMF     = 0x2000
	offsetMask = 0x1fff
)

// Header is the header of an IP packet (RFC 791) without its options, which
// are skipped when parsing and never built. Length and checksum are no fields:
// they are computed when building and verified when parsing.
type Header struct {
	TOS            uint8  // DSCP in the upper six bits, ECN in the lower two (RFC 2474, RFC 3168)
	ID             uint16 // identification; has no meaning with DF (RFC 6864)
	DF, MF         bool   // don't fragment, more fragments
	FragmentOffset uint16 // in units of 8 bytes, at most 8191
	TTL            uint8
	Protocol       uint8
	Src, Dst       netip.Addr
}

// Fragment reports whether the packet is only a part of one.
func (h Header) Fragment() bool { return h.MF || h.FragmentOffset != 0 }

// Build returns a packet with that header, its checksum and the payload. It
// refuses addresses other than IPv4, an offset over its bound, and more payload
// than fits into a packet of 65535 bytes.
func Build(h Header, payload []byte) ([]byte, error) {
	switch {
	case !h.Src.Is4() || !h.Dst.Is4():
		return nil, fmt.Errorf("ip packet from %s to %s: want IPv4 addresses", h.Src, h.Dst)
	case h.FragmentOffset > offsetMask:
		return nil, fmt.Errorf("ip packet: fragment offset %d: allowed are 0 to %d", h.FragmentOffset, offsetMask)
	case len(payload) > maxPacket-ipv4HeaderLen:
		return nil, fmt.Errorf("ip packet: %d bytes of payload: allowed are 0 to %d", len(payload), maxPacket-ipv4HeaderLen)
	}
	b := make([]byte, ipv4HeaderLen, ipv4HeaderLen+len(payload))
	b[0] = 4<<4 | ipv4HeaderLen/4
	b[1] = h.TOS
	binary.BigEndian.PutUint16(b[2:], uint16(ipv4HeaderLen+len(payload)))
	binary.BigEndian.PutUint16(b[4:], h.ID)
	binary.BigEndian.PutUint16(b[6:], h.fragmentField())
	b[8], b[9] = h.TTL, h.Protocol
	copy(b[12:], h.Src.AsSlice())
	copy(b[16:], h.Dst.AsSlice())
	binary.BigEndian.PutUint16(b[10:], checksum(b))
	return append(b, payload...), nil
}

func (h Header) fragmentField() uint16 {
	field := h.FragmentOffset
	if h.DF {
		field |= flagDF
	}
	if h.MF {
		field |= flagMF
	}
	return field
}

// Parse returns the header and the payload of an IP packet, after the checks of
// the kernel's ip_rcv: version, header length, header checksum, total length.
// Bytes after the total length are a link's padding and are cut off. The
// payload is a part of packet, not a copy.
func Parse(packet []byte) (Header, []byte, error) {
	headerLen, err := headerLength(packet)
	if err != nil {
		return Header{}, nil, fmt.Errorf("ip packet: %w", err)
	}
	if checksum(packet[:headerLen]) != 0 {
		return Header{}, nil, errors.New("ip packet: wrong header checksum")
	}
	totalLen := int(binary.BigEndian.Uint16(packet[2:]))
	if totalLen < headerLen || totalLen > len(packet) {
		return Header{}, nil, fmt.Errorf("ip packet: total length %d: want %d to %d, the bytes that are there", totalLen, headerLen, len(packet))
	}
	return readHeader(packet), packet[headerLen:totalLen], nil
}

// ParseQuote returns the header of a packet as an ICMP error quotes it, and as
// much of the payload as is there. It checks less than [Parse]: a quote may be
// cut off after the header (RFC 792 promises 8 more bytes), and its checksum
// may be of before the last hop. The payload is a part of quote, not a copy.
func ParseQuote(quote []byte) (Header, []byte, error) {
	headerLen, err := headerLength(quote)
	if err != nil {
		return Header{}, nil, fmt.Errorf("quoted ip packet: %w", err)
	}
	return readHeader(quote), quote[headerLen:], nil
}

// headerLength requires a whole header, options included, of a version that is
// known.
func headerLength(packet []byte) (int, error) {
	if len(packet) < ipv4HeaderLen {
		return 0, fmt.Errorf("%d bytes: shorter than a header", len(packet))
	}
	if version := packet[0] >> 4; version != 4 {
		return 0, fmt.Errorf("version %d: want 4", version)
	}
	n := int(packet[0]&0x0f) * 4
	if n < ipv4HeaderLen || n > len(packet) {
		return 0, fmt.Errorf("header of %d bytes in a packet of %d", n, len(packet))
	}
	return n, nil
}

func readHeader(packet []byte) Header {
	fragment := binary.BigEndian.Uint16(packet[6:])
	return Header{
		TOS:            packet[1],
		ID:             binary.BigEndian.Uint16(packet[4:]),
		DF:             fragment&flagDF != 0,
		MF:             fragment&flagMF != 0,
		FragmentOffset: fragment & offsetMask,
		TTL:            packet[8],
		Protocol:       packet[9],
		Src:            netip.AddrFrom4([4]byte(packet[12:16])),
		Dst:            netip.AddrFrom4([4]byte(packet[16:20])),
	}
}

// parseTransport returns the header and the payload of a packet that is whole
// and of that protocol, with at least that many bytes of payload.
func parseTransport(packet []byte, protocol uint8, atLeast int) (Header, []byte, error) {
	h, b, err := Parse(packet)
	switch {
	case err != nil:
		return Header{}, nil, err
	case h.Protocol != protocol:
		return Header{}, nil, fmt.Errorf("protocol %d: want %d", h.Protocol, protocol)
	case h.Fragment():
		return Header{}, nil, errors.New("in a fragment")
	case len(b) < atLeast:
		return Header{}, nil, fmt.Errorf("%d bytes: shorter than a header", len(b))
	}
	return h, b, nil
}

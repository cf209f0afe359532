package director

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// IP protocol numbers (IANA). IPIP is 4, "ipencap" in /etc/protocols; the "ipip" of that file is 94, something else.
const (
	protocolICMP = 1
	protocolIPIP = 4
	protocolTCP  = 6
)

const (
	ipv4HeaderLen = 20
	maxPacket     = 65535

	flagDF     = 0x4000
	flagMF     = 0x2000
	offsetMask = 0x1fff
)

// IPv4Header is the header of an IPv4 packet (RFC 791) without its options, which are skipped when parsing and never
// built. Length and checksum are not fields: they are computed when building and verified when parsing.
type IPv4Header struct {
	TOS            uint8  // DSCP in the upper six bits, ECN in the lower two (RFC 2474, RFC 3168)
	ID             uint16 // identification; means nothing with DF (RFC 6864)
	DF, MF         bool   // don't fragment, more fragments
	FragmentOffset uint16 // in units of 8 bytes, at most 8191
	TTL            uint8
	Protocol       uint8
	Src, Dst       netip.Addr
}

// Fragment reports whether the packet is only a part of one.
func (h IPv4Header) Fragment() bool { return h.MF || h.FragmentOffset != 0 }

// BuildIPv4 returns a packet with that header, its checksum and the payload. It refuses addresses other than IPv4, an
// offset over its bound, and more payload than fits into a packet of 65535 bytes.
func BuildIPv4(h IPv4Header, payload []byte) ([]byte, error) {
	switch {
	case !h.Src.Is4() || !h.Dst.Is4():
		return nil, fmt.Errorf("ipv4 packet from %s to %s: want IPv4 addresses", h.Src, h.Dst)
	case h.FragmentOffset > offsetMask:
		return nil, fmt.Errorf("ipv4 packet: fragment offset %d: allowed are 0 to %d", h.FragmentOffset, offsetMask)
	case len(payload) > maxPacket-ipv4HeaderLen:
		return nil, fmt.Errorf("ipv4 packet: %d bytes of payload: allowed are 0 to %d", len(payload), maxPacket-ipv4HeaderLen)
	}
	b := make([]byte, ipv4HeaderLen, ipv4HeaderLen+len(payload))
	b[0] = 4<<4 | ipv4HeaderLen/4
	b[1] = h.TOS
	binary.BigEndian.PutUint16(b[2:], uint16(ipv4HeaderLen+len(payload)))
	binary.BigEndian.PutUint16(b[4:], h.ID)
	binary.BigEndian.PutUint16(b[6:], h.fragmentField())
	b[8], b[9] = h.TTL, h.Protocol
	src, dst := h.Src.As4(), h.Dst.As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	binary.BigEndian.PutUint16(b[10:], checksum(b))
	return append(b, payload...), nil
}

func (h IPv4Header) fragmentField() uint16 {
	field := h.FragmentOffset
	if h.DF {
		field |= flagDF
	}
	if h.MF {
		field |= flagMF
	}
	return field
}

// ParseIPv4 returns the header and the payload of an IPv4 packet, after the checks of the kernel's ip_rcv: version,
// header length, header checksum, total length. Bytes after the total length are a link's padding and are cut off.
// The payload is a part of packet, not a copy.
func ParseIPv4(packet []byte) (IPv4Header, []byte, error) {
	headerLen, totalLen, err := checkIPv4(packet)
	if err != nil {
		return IPv4Header{}, nil, fmt.Errorf("ipv4 packet: %w", err)
	}
	fragment := binary.BigEndian.Uint16(packet[6:])
	return IPv4Header{
		TOS:            packet[1],
		ID:             binary.BigEndian.Uint16(packet[4:]),
		DF:             fragment&flagDF != 0,
		MF:             fragment&flagMF != 0,
		FragmentOffset: fragment & offsetMask,
		TTL:            packet[8],
		Protocol:       packet[9],
		Src:            netip.AddrFrom4([4]byte(packet[12:16])),
		Dst:            netip.AddrFrom4([4]byte(packet[16:20])),
	}, packet[headerLen:totalLen], nil
}

func checkIPv4(packet []byte) (headerLen, totalLen int, err error) {
	if len(packet) < ipv4HeaderLen {
		return 0, 0, fmt.Errorf("%d bytes: shorter than a header", len(packet))
	}
	if version := packet[0] >> 4; version != 4 {
		return 0, 0, fmt.Errorf("version %d: want 4", version)
	}
	headerLen = int(packet[0]&0x0f) * 4
	if headerLen < ipv4HeaderLen || headerLen > len(packet) {
		return 0, 0, fmt.Errorf("header of %d bytes in a packet of %d", headerLen, len(packet))
	}
	if checksum(packet[:headerLen]) != 0 {
		return 0, 0, errors.New("wrong header checksum")
	}
	totalLen = int(binary.BigEndian.Uint16(packet[2:]))
	if totalLen < headerLen || totalLen > len(packet) {
		return 0, 0, fmt.Errorf("total length %d: want %d to %d, the bytes that are there", totalLen, headerLen, len(packet))
	}
	return headerLen, totalLen, nil
}

// checksum is the Internet checksum of the parts taken one after the other (RFC 1071); a part but the last has an even
// length. Over data that contains its own checksum it is 0.
func checksum(parts ...[]byte) uint16 {
	var sum uint32
	for _, b := range parts {
		for ; len(b) >= 2; b = b[2:] {
			sum += uint32(b[0])<<8 | uint32(b[1])
		}
		if len(b) == 1 {
			sum += uint32(b[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

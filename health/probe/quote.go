package probe

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"rsagent/agent/director"
)

// protocol numbers (IANA).
const (
	protocolICMP = 1
	protocolIPIP = 4
	protocolTCP  = 6
)

const timeExceeded = 11 // ICMP type (RFC 792)

// Complaint is an ICMP error about one of our packets.
type Complaint struct {
	Type, Code uint8
	Outer      bool       // about the outer packet; else about the one inside
	From       netip.Addr // who complains
}

var unreachable = map[uint8]string{
	0: "network unreachable", 1: "host unreachable", 2: "protocol unreachable", 3: "port unreachable",
	4: "fragmentation needed", 9: "network prohibited", 10: "host prohibited", 13: "administratively prohibited",
}

// String names the complaint as RFC 792 and RFC 1122 do.
func (c Complaint) String() string {
	if name, ok := unreachable[c.Code]; ok && c.Type == director.ICMPUnreachable {
		return name
	}
	if c.Type == timeExceeded {
		return "time exceeded"
	}
	return fmt.Sprintf("ICMP type %d code %d", c.Type, c.Code)
}

// quoted is what an ICMP error says about the packet that it is about. Only
// the header and 8 bytes of it need be there (RFC 792).
type quoted struct {
	outer bool
	dst   netip.Addr // of the quoted packet
	key   key
	known bool // the quote reaches far enough for key
}

// readQuote returns false for what is not about an IPIP, TCP or ICMP packet.
func readQuote(b []byte) (quoted, bool) {
	protocol, src, dst, rest, ok := readHeader(b)
	if !ok {
		return quoted{}, false
	}
	q := quoted{outer: protocol == protocolIPIP, dst: dst}
	if q.outer {
		if protocol, src, dst, rest, ok = readHeader(rest); !ok {
			return q, true
		}
	}
	q.key, q.known = readKey(protocol, src, dst, rest)
	return q, q.known || q.outer
}

// readHeader is lenient, since a quote may be cut off and its checksum be the
// one of before the last hop.
func readHeader(b []byte) (protocol uint8, src, dst netip.Addr, rest []byte, ok bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return 0, src, dst, nil, false
	}
	size := int(b[0]&0x0f) * 4
	if size < 20 || size > len(b) {
		return 0, src, dst, nil, false
	}
	src, dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	return b[9], src, dst, b[size:], true
}

// readKey returns the key of the request that these bytes are of.
func readKey(protocol uint8, src, dst netip.Addr, b []byte) (key, bool) {
	switch {
	case protocol == protocolTCP && len(b) >= 4:
		return key{protocolTCP, src, dst, binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}, true
	case protocol == protocolICMP && len(b) >= 8 && b[0] == director.ICMPEchoRequest:
		return key{protocolICMP, src, dst, binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])}, true
	}
	return key{}, false
}

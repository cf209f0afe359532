package probe

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"rsagent/agent/packet"
)

// Complaint is an ICMP error about one of our packets.
type Complaint struct {
	Type, Code uint8
	Outer      bool       // about the outer packet; else about the one inside
	From       netip.Addr // who complains
}

var unreachableCodes = map[uint8]string{
	0: "network unreachable", 1: "host unreachable", 2: "protocol unreachable", 3: "port unreachable",
	4: "fragmentation needed", 9: "network prohibited", 10: "host prohibited", 13: "administratively prohibited",
}

// String names the complaint as RFC 792 and RFC 1122 do.
func (c Complaint) String() string {
	if name, ok := unreachableCodes[c.Code]; ok && c.Type == packet.ICMPUnreachable {
		return name
	}
	if c.Type == packet.ICMPTimeExceeded {
		return "time exceeded"
	}
	return fmt.Sprintf("ICMP type %d code %d", c.Type, c.Code)
}

// unreachable reports whether the complaint is that the destination is
// unreachable, for the reason of that code.
func (c Complaint) unreachable(code uint8) bool {
	return c.Type == packet.ICMPUnreachable && c.Code == code
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
	h, rest, err := packet.ParseQuote(b)
	if err != nil {
		return quoted{}, false
	}
	q := quoted{outer: h.Protocol == packet.ProtocolIPIP, dst: h.Dst}
	if q.outer {
		if h, rest, err = packet.ParseQuote(rest); err != nil {
			return q, true
		}
	}
	q.key, q.known = readKey(h, rest)
	return q, q.known || q.outer
}

// readKey returns the key of the request that begins with these bytes.
func readKey(h packet.Header, b []byte) (key, bool) {
	switch {
	case h.Protocol == packet.ProtocolTCP && len(b) >= 4:
		return key{h.Protocol, h.Src, h.Dst, binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}, true
	case h.Protocol == packet.ProtocolICMP && len(b) >= 8 && b[0] == packet.ICMPEchoRequest:
		return key{h.Protocol, h.Src, h.Dst, binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])}, true
	}
	return key{}, false
}

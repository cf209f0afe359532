package packet

import (
	"fmt"
	"net/netip"
)

// Outer is what an outer header does not take from the inner packet.
type Outer struct {
	Src, Dst netip.Addr
	Protocol uint8  // of the encapsulation: [ProtocolIPIP]
	TTL      uint8  // 0 is the inner packet's
	ID       uint16 // identification; needed only where the outer packet may be fragmented
}

// Encapsulate returns inner, unchanged, behind an outer header. TOS and DF are
// the inner packet's, as IPVS does by default (ip_vs_tunnel_xmit in
// net/netfilter/ipvs/ip_vs_xmit.c). Inner must be one valid packet and nothing
// after it, though it may be a fragment; and it must leave room for the outer
// header in 65535 bytes. A director is a hop, and takes one off the inner TTL
// before it encapsulates; here that is left to the caller.
func Encapsulate(inner []byte, outer Outer) ([]byte, error) {
	if outer.Protocol != ProtocolIPIP {
		return nil, fmt.Errorf("encapsulate: protocol %d: want %d", outer.Protocol, ProtocolIPIP)
	}
	h, payload, err := Parse(inner)
	if err != nil {
		return nil, fmt.Errorf("encapsulate: inner %w", err)
	}
	headerLen, _ := headerLength(inner)
	if padding := len(inner) - headerLen - len(payload); padding != 0 {
		return nil, fmt.Errorf("encapsulate: inner ip packet: %d bytes after its %d of payload", padding, len(payload))
	}
	packet, err := Build(outer.header(h), inner)
	if err != nil {
		return nil, fmt.Errorf("encapsulate: outer %w", err)
	}
	return packet, nil
}

func (o Outer) header(inner Header) Header {
	h := Header{
		TOS:      outerTOS(inner.TOS),
		ID:       o.ID,
		DF:       inner.DF,
		TTL:      o.TTL,
		Protocol: o.Protocol,
		Src:      o.Src,
		Dst:      o.Dst,
	}
	if h.TTL == 0 {
		h.TTL = inner.TTL
	}
	return h
}

// outerTOS is the inner TOS, except that congestion already experienced becomes
// ECT(0), so that the tunnel's own congestion can be told from it (the
// full-functionality option of RFC 3168, section 9.1.1).
func outerTOS(inner uint8) uint8 {
	const ecnMask, ecnCE, ecnECT0 = 0x03, 0x03, 0x02
	if inner&ecnMask == ecnCE {
		return inner&^ecnMask | ecnECT0
	}
	return inner
}

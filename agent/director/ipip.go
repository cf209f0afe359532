package director

import (
	"errors"
	"fmt"
	"net/netip"
)

// DF says what becomes of the outer header's don't-fragment bit.
type DF uint8

// The choices for DF.
const (
	CopyDF  DF = iota // the inner packet's: IPVS with net.ipv4.vs.pmtu_disc=1, its default
	SetDF             // always set: an ipip device with pmtudisc, its default
	ClearDF           // never set: IPVS with net.ipv4.vs.pmtu_disc=0
)

// Options are the outer header's fields that are not given by the inner packet. The zero value does what IPVS does by
// default (ip_vs_tunnel_xmit in net/netfilter/ipvs/ip_vs_xmit.c).
type Options struct {
	TTL       uint8  // 0 is the inner packet's
	DF        DF     // the inner packet's by default
	ClearDSCP bool   // leave the outer DSCP 0, as an ipip device without `tos inherit` does; ECN is carried all the same
	ID        uint16 // identification; needed only where the outer packet may be fragmented
}

// Encapsulate returns inner wrapped in an outer IPv4 header of protocol 4 from outerSrc to outerDst (RFC 2003), with
// the inner packet unchanged in it. Inner must be one whole and valid IPv4 packet and nothing after it, though it may be
// a fragment; and it must leave room for the outer header in 65535 bytes. A director is a hop, and takes one off the inner
// TTL before it encapsulates; here that is left to the caller.
func Encapsulate(inner []byte, outerSrc, outerDst netip.Addr, o Options) ([]byte, error) {
	h, payload, err := ParseIPv4(inner)
	if err != nil {
		return nil, fmt.Errorf("encapsulate: inner %w", err)
	}
	if _, totalLen, _ := checkIPv4(inner); totalLen != len(inner) {
		return nil, fmt.Errorf("encapsulate: inner ipv4 packet: %d bytes after its %d of payload", len(inner)-totalLen, len(payload))
	}
	for _, a := range []netip.Addr{outerSrc, outerDst} {
		if err := validateUnicast(a); err != nil {
			return nil, fmt.Errorf("encapsulate: outer address %w", err)
		}
	}
	packet, err := BuildIPv4(o.outer(h, outerSrc, outerDst), inner)
	if err != nil {
		return nil, fmt.Errorf("encapsulate: outer %w", err)
	}
	return packet, nil
}

func (o Options) outer(inner IPv4Header, src, dst netip.Addr) IPv4Header {
	h := IPv4Header{
		TOS:      outerTOS(inner.TOS, o.ClearDSCP),
		ID:       o.ID,
		DF:       o.DF == SetDF || o.DF == CopyDF && inner.DF,
		TTL:      o.TTL,
		Protocol: protocolIPIP,
		Src:      src,
		Dst:      dst,
	}
	if h.TTL == 0 {
		h.TTL = inner.TTL
	}
	return h
}

// outerTOS carries ECN by the full-functionality option of RFC 3168, section 9.1.1: as it is, except that congestion
// already experienced becomes ECT(0), so that the tunnel's own congestion can be told from it.
func outerTOS(inner uint8, clearDSCP bool) uint8 {
	const ecnMask, ecnCE, ecnECT0 = 0x03, 0x03, 0x02
	dscp, ecn := inner&^ecnMask, inner&ecnMask
	if clearDSCP {
		dscp = 0
	}
	if ecn == ecnCE {
		ecn = ecnECT0
	}
	return dscp | ecn
}

// Decapsulate returns the packet inside an IPIP packet, and the outer header. Both packets must be valid by the rules of
// [ParseIPv4]; the outer one must be of protocol 4 and no fragment (a receiver puts those together first), the inner one
// complete. Bytes after the inner packet's total length are cut off, as the kernel does. The result is a part of packet,
// not a copy.
func Decapsulate(packet []byte) (inner []byte, outer IPv4Header, err error) {
	outer, payload, err := ParseIPv4(packet)
	if err != nil {
		return nil, IPv4Header{}, fmt.Errorf("decapsulate: outer %w", err)
	}
	if outer.Protocol != protocolIPIP {
		return nil, IPv4Header{}, fmt.Errorf("decapsulate: protocol %d: want %d, IPv4 in IPv4", outer.Protocol, protocolIPIP)
	}
	if outer.Fragment() {
		return nil, IPv4Header{}, errors.New("decapsulate: outer ipv4 packet is a fragment")
	}
	_, totalLen, err := checkIPv4(payload)
	if err != nil {
		return nil, IPv4Header{}, fmt.Errorf("decapsulate: inner ipv4 packet: %w", err)
	}
	return payload[:totalLen], outer, nil
}

package director

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func mustBuild(t testing.TB, h IPv4Header, payload []byte) []byte {
	t.Helper()
	packet, err := BuildIPv4(h, payload)
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

// The outer header for an inner one, as IPVS (ip_vs_prepare_tunneled_skb, ip_vs_tunnel_xmit) and an ipip device
// (ip_tunnel_xmit) make it.
func TestOuterHeader(t *testing.T) {
	inner := IPv4Header{TOS: 0xb8, TTL: 63, Protocol: 6, Src: client, Dst: vip}
	change := func(h IPv4Header, do func(*IPv4Header)) IPv4Header { do(&h); return h }
	for _, c := range []struct {
		name    string
		inner   IPv4Header
		options Options
		want    IPv4Header
	}{
		{"IPVS", inner, Options{}, IPv4Header{TOS: 0xb8, TTL: 63}},
		{"IPVS, DF", change(inner, func(h *IPv4Header) { h.DF = true }), Options{}, IPv4Header{TOS: 0xb8, TTL: 63, DF: true}},
		{"IPVS, pmtu_disc=0", change(inner, func(h *IPv4Header) { h.DF = true }), Options{DF: ClearDF, ID: 9}, IPv4Header{TOS: 0xb8, TTL: 63, ID: 9}},
		{"ipip device", inner, Options{TTL: 64, DF: SetDF, ClearDSCP: true}, IPv4Header{TTL: 64, DF: true}},
		{"ECT(0)", change(inner, func(h *IPv4Header) { h.TOS = 2 }), Options{}, IPv4Header{TOS: 2, TTL: 63}},
		{"ECT(1)", change(inner, func(h *IPv4Header) { h.TOS = 1 }), Options{ClearDSCP: true}, IPv4Header{TOS: 1, TTL: 63}},
		{"CE", change(inner, func(h *IPv4Header) { h.TOS = 0xbb }), Options{}, IPv4Header{TOS: 0xba, TTL: 63}},
		{"CE, ipip device", change(inner, func(h *IPv4Header) { h.TOS = 0xbb }), Options{ClearDSCP: true}, IPv4Header{TOS: 2, TTL: 63}},
		{"inner fragment", change(inner, func(h *IPv4Header) { h.MF, h.FragmentOffset = true, 185 }), Options{}, IPv4Header{TOS: 0xb8, TTL: 63}},
	} {
		c.want.Protocol, c.want.Src, c.want.Dst = 4, dip, rs1
		packet, err := Encapsulate(mustBuild(t, c.inner, []byte("data")), dip, rs1, c.options)
		ok(t, err)
		_, got, err := Decapsulate(packet)
		ok(t, err)
		if got != c.want {
			t.Errorf("%s:\nwant %+v\n got %+v", c.name, c.want, got)
		}
	}
}

func TestDecapsulateUndoesEncapsulate(t *testing.T) {
	for range 1000 {
		inner := mustBuild(t, randomHeader(), randomBytes(rand.IntN(200)))
		before := bytes.Clone(inner)
		options := Options{TTL: uint8(rand.Uint32()), DF: DF(rand.IntN(3)), ClearDSCP: rand.IntN(2) == 0, ID: uint16(rand.Uint32())}
		packet, err := Encapsulate(inner, dip, rs1, options)
		ok(t, err)
		if !bytes.Equal(inner, before) || len(packet) != len(inner)+ipv4HeaderLen {
			t.Fatalf("inner packet changed, or not 20 bytes more: %x in %x", inner, packet)
		}
		got, outer, err := Decapsulate(append(packet, 0, 0)) // padded by a link
		ok(t, err)
		if !bytes.Equal(got, before) || outer.Src != dip || outer.Dst != rs1 {
			t.Fatalf("want %x from %s to %s, got %x, %+v", before, dip, rs1, got, outer)
		}
	}
}

func TestEncapsulateRefuses(t *testing.T) {
	inner := mustBuild(t, IPv4Header{Src: client, Dst: vip}, nil)
	six, loop := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("127.0.0.1")
	for _, c := range []struct {
		inner    []byte
		src, dst netip.Addr
		want     string
	}{
		{nil, dip, rs1, "encapsulate: inner ipv4 packet: 0 bytes: shorter than a header"},
		{append(bytes.Clone(inner), 0), dip, rs1, "encapsulate: inner ipv4 packet: 1 bytes after its 0 of payload"},
		{inner, six, rs1, "encapsulate: outer address 2001:db8::1: IPv6 is not supported yet"},
		{inner, dip, loop, "encapsulate: outer address 127.0.0.1: loopback"},
		{inner, netip.Addr{}, rs1, "encapsulate: outer address missing"},
		{mustBuild(t, IPv4Header{Src: client, Dst: vip}, make([]byte, 65496)), dip, rs1,
			"encapsulate: outer ipv4 packet: 65516 bytes of payload: allowed are 0 to 65515"},
	} {
		if _, err := Encapsulate(c.inner, c.src, c.dst, Options{}); text(err) != c.want {
			t.Errorf("want %q\n got %q", c.want, text(err))
		}
	}
	_, err := Encapsulate(mustBuild(t, IPv4Header{Src: client, Dst: vip}, make([]byte, 65495)), dip, rs1, Options{})
	ok(t, err)
}

func TestDecapsulateRefuses(t *testing.T) {
	inner := mustBuild(t, IPv4Header{Src: client, Dst: vip}, []byte("data"))
	spoilt := bytes.Clone(inner)
	spoilt[8]++
	ipip := IPv4Header{Src: dip, Dst: rs1, Protocol: 4}
	outer := func(change func(*IPv4Header), payload []byte) []byte {
		h := ipip
		change(&h)
		return mustBuild(t, h, payload)
	}
	as := func(IPv4Header) func(*IPv4Header) { return func(*IPv4Header) {} }(ipip)
	for _, c := range []struct {
		name   string
		packet []byte
		want   string
	}{
		{"nothing", nil, "decapsulate: outer ipv4 packet: 0 bytes: shorter than a header"},
		{"not IPIP", inner, "decapsulate: protocol 0: want 4, IPv4 in IPv4"},
		{"the other ipip", outer(func(h *IPv4Header) { h.Protocol = 94 }, inner), "decapsulate: protocol 94: want 4, IPv4 in IPv4"},
		{"first fragment", outer(func(h *IPv4Header) { h.MF = true }, inner), "decapsulate: outer ipv4 packet is a fragment"},
		{"last fragment", outer(func(h *IPv4Header) { h.FragmentOffset = 1 }, inner), "decapsulate: outer ipv4 packet is a fragment"},
		{"empty", outer(as, nil), "decapsulate: inner ipv4 packet: 0 bytes: shorter than a header"},
		{"inner cut off", outer(as, inner[:22]), "decapsulate: inner ipv4 packet: total length 24: want 20 to 22, the bytes that are there"},
		{"inner checksum", outer(as, spoilt), "decapsulate: inner ipv4 packet: wrong header checksum"},
		{"inner IPv6", outer(as, append([]byte{0x60}, make([]byte, 39)...)), "decapsulate: inner ipv4 packet: version 6: want 4"},
	} {
		got, h, err := Decapsulate(c.packet)
		if text(err) != c.want || got != nil || h != (IPv4Header{}) {
			t.Errorf("%s:\nwant %q\n got %q", c.name, c.want, text(err))
		}
	}
	got, _, err := Decapsulate(outer(as, append(bytes.Clone(inner), "pad"...)))
	ok(t, err)
	if !bytes.Equal(got, inner) {
		t.Errorf("padding inside the tunnel: want %x, got %x", inner, got)
	}
}

// FuzzDecapsulate: no input makes it panic; an error comes with nothing; what comes out is a valid packet from inside.
func FuzzDecapsulate(f *testing.F) {
	inner, _ := SYNSegment(source, target, 1, 1460).Packet()
	packet, _ := Encapsulate(inner, dip, rs1, Options{})
	f.Add(packet)
	f.Add(packet[:30])
	f.Add(inner)
	f.Fuzz(func(t *testing.T, packet []byte) {
		for range 2 {
			inner, outer, err := Decapsulate(packet)
			if (err == nil) != (inner != nil) || err != nil && outer != (IPv4Header{}) {
				t.Fatalf("%x, %+v, %v", inner, outer, err)
			}
			if err == nil {
				if _, _, err := ParseIPv4(inner); err != nil || !bytes.Contains(packet, inner) {
					t.Fatalf("inner %x of %x: %v", inner, packet, err)
				}
			}
			// Few inputs have two right checksums by chance: the second time they are made right.
			if len(packet) < 2*ipv4HeaderLen {
				return
			}
			packet = withChecksum(bytes.Clone(packet))
			withChecksum(packet[min(int(packet[0]&15)*4, len(packet)-ipv4HeaderLen):])
		}
	})
}

// FuzzEncapsulate: no input makes it panic, and what it wraps comes out again as it went in.
func FuzzEncapsulate(f *testing.F) {
	inner, _ := SYNSegment(source, target, 1, 1460).Packet()
	f.Add(inner, dip.AsSlice(), rs1.AsSlice(), uint8(0), uint8(0), false, uint16(0))
	f.Add(inner, []byte{127, 0, 0, 1}, []byte{}, uint8(1), uint8(9), true, uint16(1))
	f.Fuzz(func(t *testing.T, inner, src, dst []byte, ttl, df uint8, clear bool, id uint16) {
		if len(inner) >= ipv4HeaderLen {
			inner = withChecksum(bytes.Clone(inner))
		}
		outerSrc, _ := netip.AddrFromSlice(src)
		outerDst, _ := netip.AddrFromSlice(dst)
		packet, err := Encapsulate(inner, outerSrc, outerDst, Options{TTL: ttl, DF: DF(df), ClearDSCP: clear, ID: id})
		if err != nil {
			return
		}
		got, outer, err := Decapsulate(packet)
		if err != nil || !bytes.Equal(got, inner) || outer.Src != outerSrc || outer.Dst != outerDst {
			t.Fatalf("want %x from %s to %s, got %x, %+v, %v", inner, outerSrc, outerDst, got, outer, err)
		}
	})
}

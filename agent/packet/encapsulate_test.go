package packet

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func mustBuild(t testing.TB, h Header, payload []byte) []byte {
	t.Helper()
	packet, err := Build(h, payload)
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

// ipip is an outer header from the director to the real server.
func ipip(ttl uint8) Outer { return Outer{Src: dip, Dst: rs1, Protocol: ProtocolIPIP, TTL: ttl} }

// The outer header for an inner one, as IPVS makes it (ip_vs_prepare_tunneled_skb, ip_vs_tunnel_xmit).
func TestOuterHeader(t *testing.T) {
	inner := Header{TOS: 0xb8, TTL: 63, Protocol: 6, Src: client, Dst: vip}
	change := func(h Header, do func(*Header)) Header { do(&h); return h }
	identified := ipip(0)
	identified.ID = 9
	for _, c := range []struct {
		name  string
		inner Header
		outer Outer
		want  Header
	}{
		{"plain", inner, ipip(0), Header{TOS: 0xb8, TTL: 63}},
		{"a TTL of its own", inner, ipip(1), Header{TOS: 0xb8, TTL: 1}},
		{"an ID", inner, identified, Header{TOS: 0xb8, TTL: 63, ID: 9}},
		{"DF", change(inner, func(h *Header) { h.DF = true }), ipip(0), Header{TOS: 0xb8, TTL: 63, DF: true}},
		{"ECT(0)", change(inner, func(h *Header) { h.TOS = 2 }), ipip(0), Header{TOS: 2, TTL: 63}},
		{"ECT(1)", change(inner, func(h *Header) { h.TOS = 1 }), ipip(0), Header{TOS: 1, TTL: 63}},
		{"CE", change(inner, func(h *Header) { h.TOS = 0xbb }), ipip(0), Header{TOS: 0xba, TTL: 63}},
		{"inner fragment", change(inner, func(h *Header) { h.MF, h.FragmentOffset = true, 185 }), ipip(0), Header{TOS: 0xb8, TTL: 63}},
	} {
		c.want.Protocol, c.want.Src, c.want.Dst = 4, dip, rs1
		packet, err := Encapsulate(mustBuild(t, c.inner, []byte("data")), c.outer)
		ok(t, err)
		got, _, err := Parse(packet)
		ok(t, err)
		if got != c.want {
			t.Errorf("%s:\nwant %+v\n got %+v", c.name, c.want, got)
		}
	}
}

func TestInnerPacketIsUnchanged(t *testing.T) {
	for range 1000 {
		inner := mustBuild(t, randomHeader(), randomBytes(rand.IntN(200)))
		before := bytes.Clone(inner)
		packet, err := Encapsulate(inner, ipip(uint8(rand.Uint32())))
		ok(t, err)
		if !bytes.Equal(inner, before) || len(packet) != len(inner)+ipv4HeaderLen {
			t.Fatalf("inner packet changed, or not 20 bytes more: %x in %x", inner, packet)
		}
		outer, got, err := Parse(append(packet, 0, 0)) // padded by a link
		ok(t, err)
		if !bytes.Equal(got, before) || outer.Src != dip || outer.Dst != rs1 {
			t.Fatalf("want %x from %s to %s, got %x, %+v", before, dip, rs1, got, outer)
		}
	}
}

func TestEncapsulateRefuses(t *testing.T) {
	inner := mustBuild(t, Header{Src: client, Dst: vip}, nil)
	gre, six, missing := ipip(0), ipip(0), ipip(0)
	gre.Protocol, six.Src, missing.Src = 47, netip.MustParseAddr("2001:db8::1"), netip.Addr{}
	for _, c := range []struct {
		inner []byte
		outer Outer
		want  string
	}{
		{nil, ipip(0), "encapsulate: inner ip packet: 0 bytes: shorter than a header"},
		{append(bytes.Clone(inner), 0), ipip(0), "encapsulate: inner ip packet: 1 bytes after its 0 of payload"},
		{inner, gre, "encapsulate: protocol 47: want 4"},
		{inner, six, "encapsulate: outer ip packet from 2001:db8::1 to 172.25.84.2: want IPv4 addresses"},
		{inner, missing, "encapsulate: outer ip packet from invalid IP to 172.25.84.2: want IPv4 addresses"},
		{mustBuild(t, Header{Src: client, Dst: vip}, make([]byte, 65496)), ipip(0),
			"encapsulate: outer ip packet: 65516 bytes of payload: allowed are 0 to 65515"},
	} {
		if _, err := Encapsulate(c.inner, c.outer); text(err) != c.want {
			t.Errorf("want %q\n got %q", c.want, text(err))
		}
	}
	_, err := Encapsulate(mustBuild(t, Header{Src: client, Dst: vip}, make([]byte, 65495)), ipip(0))
	ok(t, err)
}

// FuzzEncapsulate: no input makes it panic, and what it wraps comes out again as it went in.
func FuzzEncapsulate(f *testing.F) {
	inner, _ := NewSYN(source, target, 1, 1460).Packet(64)
	f.Add(inner, dip.AsSlice(), rs1.AsSlice(), uint8(4), uint8(0), uint16(0))
	f.Add(inner, []byte{127, 0, 0, 1}, []byte{}, uint8(47), uint8(1), uint16(1))
	f.Fuzz(func(t *testing.T, inner, src, dst []byte, protocol, ttl uint8, id uint16) {
		if len(inner) >= ipv4HeaderLen {
			inner = withChecksum(bytes.Clone(inner))
		}
		outer := Outer{Protocol: protocol, TTL: ttl, ID: id}
		outer.Src, _ = netip.AddrFromSlice(src)
		outer.Dst, _ = netip.AddrFromSlice(dst)
		packet, err := Encapsulate(inner, outer)
		if err != nil {
			return
		}
		h, got, err := Parse(packet)
		if err != nil || !bytes.Equal(got, inner) || h.Src != outer.Src || h.Dst != outer.Dst || h.Protocol != protocol {
			t.Fatalf("want %x in %+v, got %x in %+v, %v", inner, outer, got, h, err)
		}
	})
}

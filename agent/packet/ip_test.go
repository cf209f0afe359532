package packet

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// The worked example of RFC 1071, section 3.
func TestChecksumOfRFC1071(t *testing.T) {
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got, want := checksum(b), ^uint16(0xddf2); got != want {
		t.Errorf("want %#04x, got %#04x", want, got)
	}
	if got, want := checksum(b[:2], b[2:7]), checksum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0x00}); got != want {
		t.Errorf("odd length: want %#04x, got %#04x", want, got)
	}
}

func TestIPRoundTrip(t *testing.T) {
	for range 1000 {
		want, payload := randomHeader(), randomBytes(rand.IntN(100))
		packet, err := Build(want, payload)
		ok(t, err)
		got, rest, err := Parse(append(packet, 0xff, 0xff)) // padded by a link
		ok(t, err)
		if got != want || !bytes.Equal(rest, payload) {
			t.Fatalf("want %+v %x, got %+v %x", want, payload, got, rest)
		}
	}
}

func randomHeader() Header {
	return Header{
		TOS: uint8(rand.Uint32()), ID: uint16(rand.Uint32()), DF: rand.IntN(2) == 0, MF: rand.IntN(4) == 0,
		FragmentOffset: uint16(rand.IntN(2) * rand.IntN(8192)), TTL: uint8(rand.Uint32()), Protocol: uint8(rand.Uint32()),
		Src: netip.AddrFrom4([4]byte(randomBytes(4))), Dst: netip.AddrFrom4([4]byte(randomBytes(4))),
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// withChecksum repairs the header checksum after a test has spoilt something else.
func withChecksum(packet []byte) []byte {
	if n := int(packet[0]&15) * 4; n >= ipv4HeaderLen && n <= len(packet) {
		binary.BigEndian.PutUint16(packet[10:], 0)
		binary.BigEndian.PutUint16(packet[10:], checksum(packet[:n]))
	}
	return packet
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(p []byte) []byte
		want  string
	}{
		{"empty", func([]byte) []byte { return nil }, "ip packet: 0 bytes: shorter than a header"},
		{"short", func(p []byte) []byte { return p[:19] }, "ip packet: 19 bytes: shorter than a header"},
		{"version 6", func(p []byte) []byte { p[0] = 0x65; return withChecksum(p) }, "ip packet: version 6: want 4"},
		{"short header", func(p []byte) []byte { p[0] = 0x44; return withChecksum(p) }, "ip packet: header of 16 bytes in a packet of 24"},
		{"long header", func(p []byte) []byte { p[0] = 0x4f; return withChecksum(p) }, "ip packet: header of 60 bytes in a packet of 24"},
		{"checksum", func(p []byte) []byte { p[8]++; return p }, "ip packet: wrong header checksum"},
		{"truncated", func(p []byte) []byte { return p[:23] }, "ip packet: total length 24: want 20 to 23, the bytes that are there"},
		{"length below header", func(p []byte) []byte { p[3] = 19; return withChecksum(p) }, "ip packet: total length 19: want 20 to 24, the bytes that are there"},
	} {
		packet, err := Build(Header{Src: client, Dst: vip}, []byte("data"))
		ok(t, err)
		if _, _, err := Parse(c.spoil(packet)); text(err) != c.want {
			t.Errorf("%s:\nwant %q\n got %q", c.name, c.want, text(err))
		}
	}
}

// A quote may be cut off behind its header, and its checksum be wrong; its header must be there.
func TestParseQuote(t *testing.T) {
	packet, err := Build(Header{Src: client, Dst: vip, TTL: 9, Protocol: ProtocolTCP}, []byte("12345678"))
	ok(t, err)
	packet[8]-- // by the hop that complains
	h, rest, err := ParseQuote(packet[:26])
	ok(t, err)
	if want := (Header{Src: client, Dst: vip, TTL: 8, Protocol: ProtocolTCP}); h != want || string(rest) != "123456" {
		t.Errorf("want %+v, got %+v and %q", want, h, rest)
	}
	for want, quote := range map[string][]byte{
		"quoted ip packet: 19 bytes: shorter than a header":      packet[:19],
		"quoted ip packet: version 6: want 4":                    append([]byte{0x65}, packet[1:]...),
		"quoted ip packet: header of 60 bytes in a packet of 28": append([]byte{0x4f}, packet[1:]...),
		"quoted ip packet: header of 16 bytes in a packet of 28": append([]byte{0x44}, packet[1:]...),
	} {
		if _, _, err := ParseQuote(quote); text(err) != want {
			t.Errorf("want %q\n got %q", want, text(err))
		}
	}
}

func TestParseSkipsOptions(t *testing.T) {
	packet, err := Build(Header{Src: client, Dst: vip, TTL: 9}, []byte{1, 1, 1, 0, 'd', 'a', 't', 'a'})
	ok(t, err)
	packet[0] = 0x46
	h, payload, err := Parse(withChecksum(packet))
	ok(t, err)
	if string(payload) != "data" || h.TTL != 9 {
		t.Errorf("want TTL 9 and data, got %d and %q", h.TTL, payload)
	}
}

func TestBuildRefuses(t *testing.T) {
	six := netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		h       Header
		payload int
		want    string
	}{
		{Header{Src: six, Dst: vip}, 0, "ip packet from 2001:db8::1 to 172.25.84.100: want IPv4 addresses"},
		{Header{Src: vip}, 0, "ip packet from 172.25.84.100 to invalid IP: want IPv4 addresses"},
		{Header{Src: vip, Dst: vip, FragmentOffset: 8192}, 0, "ip packet: fragment offset 8192: allowed are 0 to 8191"},
		{Header{Src: vip, Dst: vip}, 65516, "ip packet: 65516 bytes of payload: allowed are 0 to 65515"},
		{Header{Src: vip, Dst: vip}, 65515, ""},
	} {
		if _, err := Build(c.h, make([]byte, c.payload)); text(err) != c.want {
			t.Errorf("%+v:\nwant %q\n got %q", c.h, c.want, text(err))
		}
	}
}

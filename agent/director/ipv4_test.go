package director

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

func TestIPv4RoundTrip(t *testing.T) {
	for range 1000 {
		want, payload := randomHeader(), randomBytes(rand.IntN(100))
		packet, err := BuildIPv4(want, payload)
		ok(t, err)
		got, rest, err := ParseIPv4(append(packet, 0xff, 0xff)) // padded by a link
		ok(t, err)
		if got != want || !bytes.Equal(rest, payload) {
			t.Fatalf("want %+v %x, got %+v %x", want, payload, got, rest)
		}
	}
}

func randomHeader() IPv4Header {
	return IPv4Header{
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

func TestParseIPv4Refuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(p []byte) []byte
		want  string
	}{
		{"empty", func([]byte) []byte { return nil }, "ipv4 packet: 0 bytes: shorter than a header"},
		{"short", func(p []byte) []byte { return p[:19] }, "ipv4 packet: 19 bytes: shorter than a header"},
		{"version 6", func(p []byte) []byte { p[0] = 0x65; return withChecksum(p) }, "ipv4 packet: version 6: want 4"},
		{"short header", func(p []byte) []byte { p[0] = 0x44; return withChecksum(p) }, "ipv4 packet: header of 16 bytes in a packet of 24"},
		{"long header", func(p []byte) []byte { p[0] = 0x4f; return withChecksum(p) }, "ipv4 packet: header of 60 bytes in a packet of 24"},
		{"checksum", func(p []byte) []byte { p[8]++; return p }, "ipv4 packet: wrong header checksum"},
		{"truncated", func(p []byte) []byte { return p[:23] }, "ipv4 packet: total length 24: want 20 to 23, the bytes that are there"},
		{"length below header", func(p []byte) []byte { p[3] = 19; return withChecksum(p) }, "ipv4 packet: total length 19: want 20 to 24, the bytes that are there"},
	} {
		packet, err := BuildIPv4(IPv4Header{Src: client, Dst: vip}, []byte("data"))
		ok(t, err)
		if _, _, err := ParseIPv4(c.spoil(packet)); text(err) != c.want {
			t.Errorf("%s:\nwant %q\n got %q", c.name, c.want, text(err))
		}
	}
}

func TestParseIPv4SkipsOptions(t *testing.T) {
	packet, err := BuildIPv4(IPv4Header{Src: client, Dst: vip, TTL: 9}, []byte{1, 1, 1, 0, 'd', 'a', 't', 'a'})
	ok(t, err)
	packet[0] = 0x46
	h, payload, err := ParseIPv4(withChecksum(packet))
	ok(t, err)
	if string(payload) != "data" || h.TTL != 9 {
		t.Errorf("want TTL 9 and data, got %d and %q", h.TTL, payload)
	}
}

func TestBuildIPv4Refuses(t *testing.T) {
	six := netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		h       IPv4Header
		payload int
		want    string
	}{
		{IPv4Header{Src: six, Dst: vip}, 0, "ipv4 packet from 2001:db8::1 to 172.25.84.100: want IPv4 addresses"},
		{IPv4Header{Src: vip}, 0, "ipv4 packet from 172.25.84.100 to invalid IP: want IPv4 addresses"},
		{IPv4Header{Src: vip, Dst: vip, FragmentOffset: 8192}, 0, "ipv4 packet: fragment offset 8192: allowed are 0 to 8191"},
		{IPv4Header{Src: vip, Dst: vip}, 65516, "ipv4 packet: 65516 bytes of payload: allowed are 0 to 65515"},
		{IPv4Header{Src: vip, Dst: vip}, 65515, ""},
	} {
		if _, err := BuildIPv4(c.h, make([]byte, c.payload)); text(err) != c.want {
			t.Errorf("%+v:\nwant %q\n got %q", c.h, c.want, text(err))
		}
	}
}

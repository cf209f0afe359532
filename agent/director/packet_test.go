package director

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	client = netip.MustParseAddr("172.25.84.84")
	dip    = netip.MustParseAddr("172.25.84.4")
	source = netip.AddrPortFrom(client, 40000)
	target = netip.AddrPortFrom(vip, 80)
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

// A SYN as tcpdump shows it: 172.25.84.84.40000 > 172.25.84.100.80: Flags [S], seq 1, win 65535, options [mss 1460].
// The checksums were worked out outside this package.
func TestPacketBytes(t *testing.T) {
	packet, err := SYNSegment(source, target, 1, 1460).Packet()
	ok(t, err)
	ip := "4500002c00004000" + "4006" + "39e1" + "ac195454" + "ac195464"
	tcp := "9c400050" + "00000001" + "00000000" + "6002ffff" + "faa90000" + "020405b4"
	if got := hex.EncodeToString(packet); got != ip+tcp {
		t.Errorf("\nwant %s\n got %s", ip+tcp, got)
	}
	packet, err = EchoRequest(client, vip, 0x1234, 1, []byte("ab")).Packet()
	ok(t, err)
	icmp := "0800" + "8468" + "12340001" + "6162"
	if got := hex.EncodeToString(packet[ipv4HeaderLen:]); got != icmp {
		t.Errorf("\nwant %s\n got %s", icmp, got)
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

func TestTCPRoundTrip(t *testing.T) {
	for range 1000 {
		want := TCPSegment{
			Src: netip.AddrPortFrom(client, uint16(rand.Uint32())), Dst: netip.AddrPortFrom(vip, uint16(rand.Uint32())),
			Seq: rand.Uint32(), Ack: rand.Uint32(), Flags: TCPFlags(rand.Uint32()), Window: uint16(rand.Uint32()),
			MSS: uint16(rand.IntN(2) * rand.IntN(65536)), Payload: randomBytes(rand.IntN(9)),
		}
		packet, err := want.Packet()
		ok(t, err)
		got, err := ParseTCP(packet)
		ok(t, err)
		if diff := cmp.Diff(want, got, netipEqual); diff != "" {
			t.Fatalf("segment (-want +got):\n%s", diff)
		}
		packet[ipv4HeaderLen+rand.IntN(len(packet)-ipv4HeaderLen)] ^= 1 << rand.IntN(8)
		if _, err := ParseTCP(packet); err == nil {
			t.Fatalf("a flipped bit was not noticed in %x", packet)
		}
	}
}

func TestAnswersToASYN(t *testing.T) {
	syn := SYNSegment(source, target, 0xffffffff, 1460)
	synAck := TCPSegment{Src: target, Dst: source, Seq: 77, Ack: 0, Flags: SYN | ACK}
	rst := TCPSegment{Src: target, Dst: source, Ack: 0, Flags: RST | ACK}
	other, stale, fromElsewhere := synAck, synAck, rst
	other.Dst = netip.AddrPortFrom(client, 40001)
	stale.Ack = 1
	fromElsewhere.Src = netip.AddrPortFrom(rs1, 80)
	for _, c := range []struct {
		name             string
		answer           TCPSegment
		accepts, refuses bool
	}{
		{"SYN-ACK", synAck, true, false},
		{"RST", rst, false, true},
		{"the SYN itself", syn, false, false},
		{"to another port", other, false, false},
		{"to an earlier SYN", stale, false, false},
		{"from another host", fromElsewhere, false, false},
	} {
		if got := c.answer.Accepts(syn); got != c.accepts {
			t.Errorf("%s accepts: want %v, got %v", c.name, c.accepts, got)
		}
		if got := c.answer.Refuses(syn); got != c.refuses {
			t.Errorf("%s refuses: want %v, got %v", c.name, c.refuses, got)
		}
	}
	want := TCPSegment{Src: source, Dst: target, Seq: 0, Flags: RST}
	if diff := cmp.Diff(want, synAck.Reset(), netipEqual); diff != "" {
		t.Errorf("reset (-want +got):\n%s", diff)
	}
}

func TestMSSAmongOptions(t *testing.T) {
	for options, want := range map[string]uint16{
		"":                             0,
		"\x02\x04\x05\xb4":             1460,
		"\x01\x01\x02\x04\x05\x78":     1400,
		"\x08\x02\x01\x02\x04\x05\x78": 1400,
		"\x00\x02\x04\x05\x78":         0,
		"\x08\x00\x02\x04\x05\x78":     0,
		"\x08\x01\x02\x04\x05\x78":     0,
		"\x08":                         0,
		"\x02\x04\x05":                 0,
		"\x02\x03\x05":                 0,
	} {
		if got := mssOption([]byte(options)); got != want {
			t.Errorf("%x: want %d, got %d", options, want, got)
		}
	}
}

func TestICMPRoundTrip(t *testing.T) {
	request := EchoRequest(client, vip, 7, 8, []byte("ping"))
	packet, err := request.Packet()
	ok(t, err)
	parsed, err := ParseICMP(packet)
	ok(t, err)
	if diff := cmp.Diff(request, parsed, netipEqual); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	packet, err = parsed.Reply().Packet()
	ok(t, err)
	reply, err := ParseICMP(packet)
	ok(t, err)
	if !reply.Answers(request) || request.Answers(request) || string(reply.Payload) != "ping" {
		t.Errorf("want the answer to %+v, got %+v", request, reply)
	}
	for i := ipv4HeaderLen; i < len(packet); i++ {
		packet[i] ^= 4
		if _, err := ParseICMP(packet); text(err) != "icmp message: wrong checksum" {
			t.Errorf("byte %d: want a wrong checksum, got %v", i, err)
		}
		packet[i] ^= 4
	}
}

func TestWrongTransport(t *testing.T) {
	build := func(h IPv4Header, n int) []byte {
		h.Src, h.Dst = client, vip
		packet, err := BuildIPv4(h, make([]byte, n))
		ok(t, err)
		return packet
	}
	badOffset := build(IPv4Header{Protocol: protocolTCP}, 20)
	badOffset[32] = 0xf0
	for _, c := range []struct {
		packet    []byte
		tcp, icmp string
	}{
		{nil, "tcp segment: ipv4 packet: 0 bytes: shorter than a header", "icmp message: ipv4 packet: 0 bytes: shorter than a header"},
		{build(IPv4Header{Protocol: 17}, 20), "tcp segment: protocol 17: want 6", "icmp message: protocol 17: want 1"},
		{build(IPv4Header{Protocol: protocolTCP, MF: true}, 20), "tcp segment: in a fragment", "icmp message: protocol 6: want 1"},
		{build(IPv4Header{Protocol: protocolICMP, FragmentOffset: 1}, 20), "tcp segment: protocol 1: want 6", "icmp message: in a fragment"},
		{build(IPv4Header{Protocol: protocolTCP}, 19), "tcp segment: 19 bytes: shorter than a header", "icmp message: protocol 6: want 1"},
		{build(IPv4Header{Protocol: protocolICMP}, 7), "tcp segment: protocol 1: want 6", "icmp message: 7 bytes: shorter than a header"},
		{badOffset, "tcp segment: header of 60 bytes in 20", "icmp message: protocol 6: want 1"},
	} {
		if _, err := ParseTCP(c.packet); text(err) != c.tcp {
			t.Errorf("tcp %x:\nwant %q\n got %q", c.packet, c.tcp, text(err))
		}
		if _, err := ParseICMP(c.packet); text(err) != c.icmp {
			t.Errorf("icmp %x:\nwant %q\n got %q", c.packet, c.icmp, text(err))
		}
	}
	if _, err := (TCPSegment{}).Packet(); err == nil || !strings.Contains(err.Error(), "want IPv4 addresses") {
		t.Errorf("segment without addresses: got %v", err)
	}
	if _, err := (ICMPMessage{}).Packet(); err == nil || !strings.Contains(err.Error(), "want IPv4 addresses") {
		t.Errorf("message without addresses: got %v", err)
	}
}

// FuzzParse: nothing that looks like a packet makes a parser panic, and what is parsed can be built again.
func FuzzParse(f *testing.F) {
	syn, _ := SYNSegment(source, target, 1, 1460).Packet()
	echo, _ := EchoRequest(client, vip, 1, 2, []byte("ping")).Packet()
	f.Add(syn)
	f.Add(echo)
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) >= ipv4HeaderLen {
			withChecksum(packet)
		}
		if s, err := ParseTCP(packet); err == nil {
			again, err := s.Packet()
			ok(t, err)
			got, err := ParseTCP(again)
			ok(t, err)
			if diff := cmp.Diff(s, got, netipEqual); diff != "" {
				t.Errorf("segment (-want +got):\n%s", diff)
			}
		}
		if m, err := ParseICMP(packet); err == nil {
			again, err := m.Reply().Packet()
			ok(t, err)
			if _, err := ParseICMP(again); err != nil {
				t.Error(err)
			}
		}
	})
}

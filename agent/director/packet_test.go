package director

import (
	"encoding/hex"
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

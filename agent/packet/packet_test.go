package packet

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The addresses of the classic network.
var (
	vip    = netip.MustParseAddr("172.25.84.100")
	rs1    = netip.MustParseAddr("172.25.84.2")
	client = netip.MustParseAddr("172.25.84.84")
	dip    = netip.MustParseAddr("172.25.84.4")
	source = netip.AddrPortFrom(client, 40000)
	target = netip.AddrPortFrom(vip, 80)
)

// netipEqual lets cmp look at addresses, which have unexported fields.
var netipEqual = cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A SYN as tcpdump shows it: 172.25.84.84.40000 > 172.25.84.100.80: Flags [S], seq 1, win 65535, options [mss 1460].
// The checksums were worked out outside this package.
func TestPacketBytes(t *testing.T) {
	packet, err := NewSYN(source, target, 1, 1460).Packet(64)
	ok(t, err)
	ip := "4500002c00004000" + "4006" + "39e1" + "ac195454" + "ac195464"
	tcp := "9c400050" + "00000001" + "00000000" + "6002ffff" + "faa90000" + "020405b4"
	if got := hex.EncodeToString(packet); got != ip+tcp {
		t.Errorf("\nwant %s\n got %s", ip+tcp, got)
	}
	packet, err = NewEchoRequest(client, vip, 0x1234, 1, []byte("ab")).Packet(64)
	ok(t, err)
	icmp := "0800" + "8468" + "12340001" + "6162"
	if got := hex.EncodeToString(packet[ipv4HeaderLen:]); got != icmp {
		t.Errorf("\nwant %s\n got %s", icmp, got)
	}
}

func TestICMPRoundTrip(t *testing.T) {
	request := NewEchoRequest(client, vip, 7, 8, []byte("ping"))
	packet, err := request.Packet(64)
	ok(t, err)
	parsed, err := ParseICMP(packet)
	ok(t, err)
	if diff := cmp.Diff(request, parsed, netipEqual); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	reply := ICMP{Src: vip, Dst: client, Type: ICMPEchoReply, ID: 7, Seq: 8}
	other := reply
	other.Seq = 9
	if !reply.Answers(request) || request.Answers(request) || other.Answers(request) {
		t.Errorf("want %+v, and nothing else, to be the answer to %+v", reply, request)
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
	build := func(h Header, n int) []byte {
		h.Src, h.Dst = client, vip
		packet, err := Build(h, make([]byte, n))
		ok(t, err)
		return packet
	}
	badOffset := build(Header{Protocol: ProtocolTCP}, 20)
	badOffset[32] = 0xf0
	for _, c := range []struct {
		packet    []byte
		tcp, icmp string
	}{
		{nil, "tcp segment: ip packet: 0 bytes: shorter than a header", "icmp message: ip packet: 0 bytes: shorter than a header"},
		{build(Header{Protocol: 17}, 20), "tcp segment: protocol 17: want 6", "icmp message: protocol 17: want 1"},
		{build(Header{Protocol: ProtocolTCP, MF: true}, 20), "tcp segment: in a fragment", "icmp message: protocol 6: want 1"},
		{build(Header{Protocol: ProtocolICMP, FragmentOffset: 1}, 20), "tcp segment: protocol 1: want 6", "icmp message: in a fragment"},
		{build(Header{Protocol: ProtocolTCP}, 19), "tcp segment: 19 bytes: shorter than a header", "icmp message: protocol 6: want 1"},
		{build(Header{Protocol: ProtocolICMP}, 7), "tcp segment: protocol 1: want 6", "icmp message: 7 bytes: shorter than a header"},
		{badOffset, "tcp segment: header of 60 bytes in 20", "icmp message: protocol 6: want 1"},
	} {
		if _, err := ParseTCP(c.packet); text(err) != c.tcp {
			t.Errorf("tcp %x:\nwant %q\n got %q", c.packet, c.tcp, text(err))
		}
		if _, err := ParseICMP(c.packet); text(err) != c.icmp {
			t.Errorf("icmp %x:\nwant %q\n got %q", c.packet, c.icmp, text(err))
		}
	}
	if _, err := (TCP{}).Packet(64); err == nil || !strings.Contains(err.Error(), "want IPv4 addresses") {
		t.Errorf("segment without addresses: got %v", err)
	}
	if _, err := (ICMP{}).Packet(64); err == nil || !strings.Contains(err.Error(), "want IPv4 addresses") {
		t.Errorf("message without addresses: got %v", err)
	}
}

// A checksum that was left to the hardware is completed; a packet that is cut off or of another protocol stays as it is.
func TestCompleteTCP(t *testing.T) {
	for _, payload := range []string{"", "odd", "even"} {
		segment := NewSYN(source, target, 7, 1460)
		segment.Payload = []byte(payload)
		whole, err := segment.Packet(64)
		ok(t, err)
		partial := bytes.Clone(whole)
		sum := uint32(6) + uint32(len(whole)-20)
		for i := 12; i < 20; i += 2 {
			sum += uint32(whole[i])<<8 | uint32(whole[i+1])
		}
		sum = sum>>16 + sum&0xffff
		partial[36], partial[37] = byte(sum>>8), byte(sum)
		for n := range len(partial) {
			cut := bytes.Clone(partial[:n])
			if CompleteTCP(cut); !bytes.Equal(cut, partial[:n]) {
				t.Errorf("%q: %d bytes of %d were changed", payload, n, len(partial))
			}
		}
		if CompleteTCP(partial); !bytes.Equal(partial, whole) {
			t.Errorf("%q: got %x, want %x", payload, partial, whole)
		}
		udp := bytes.Clone(whole)
		udp[9], udp[36] = 17, 0
		before := bytes.Clone(withChecksum(udp))
		if CompleteTCP(udp); !bytes.Equal(udp, before) {
			t.Errorf("%q: a datagram was changed", payload)
		}
	}
}

// FuzzParse: nothing that looks like a packet makes a parser panic, and what is parsed can be built again.
func FuzzParse(f *testing.F) {
	syn, _ := NewSYN(source, target, 1, 1460).Packet(64)
	echo, _ := NewEchoRequest(client, vip, 1, 2, []byte("ping")).Packet(64)
	f.Add(syn)
	f.Add(echo)
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) >= ipv4HeaderLen {
			withChecksum(packet)
		}
		if h, payload, err := Parse(packet); err == nil {
			again, rest, err := Parse(mustBuild(t, h, payload))
			if err != nil || again != h || !bytes.Equal(rest, payload) {
				t.Errorf("packet: want %+v %x, got %+v %x, %v", h, payload, again, rest, err)
			}
		}
		if s, err := ParseTCP(packet); err == nil {
			again, err := s.Packet(64)
			ok(t, err)
			got, err := ParseTCP(again)
			ok(t, err)
			if diff := cmp.Diff(s, got, netipEqual); diff != "" {
				t.Errorf("segment (-want +got):\n%s", diff)
			}
		}
		if m, err := ParseICMP(packet); err == nil {
			again, err := m.Packet(64)
			ok(t, err)
			got, err := ParseICMP(again)
			ok(t, err)
			if diff := cmp.Diff(m, got, netipEqual); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		}
	})
}

// FuzzParseQuote: no quote makes it panic, it gives out nothing that is not in the quote, and it agrees with Parse about
// a packet that is whole.
func FuzzParseQuote(f *testing.F) {
	syn, _ := NewSYN(source, target, 1, 1460).Packet(64)
	f.Add(syn)
	f.Add(syn[:28])
	f.Add(syn[:20])
	f.Fuzz(func(t *testing.T, quote []byte) {
		h, rest, err := ParseQuote(quote)
		if err != nil {
			if h != (Header{}) || rest != nil {
				t.Errorf("%x: %v, and yet %+v %x", quote, err, h, rest)
			}
			return
		}
		if !bytes.HasSuffix(quote, rest) || len(quote)-len(rest) != int(quote[0]&15)*4 {
			t.Errorf("%x: %x does not follow its header", quote, rest)
		}
		if whole, payload, err := Parse(withChecksum(bytes.Clone(quote))); err == nil && (whole != h || !bytes.HasPrefix(rest, payload)) {
			t.Errorf("%x: want %+v %x, got %+v %x", quote, whole, payload, h, rest)
		}
	})
}

// FuzzCompleteTCP: no packet makes it panic, and it changes nothing but two bytes behind the IP header.
func FuzzCompleteTCP(f *testing.F) {
	syn, _ := NewSYN(source, target, 1, 1460).Packet(64)
	f.Add(syn)
	f.Add(syn[:39])
	f.Fuzz(func(t *testing.T, packet []byte) {
		if len(packet) >= ipv4HeaderLen {
			withChecksum(packet)
		}
		before := bytes.Clone(packet)
		CompleteTCP(packet)
		for i := range packet {
			at := int(before[0]&15)*4 + tcpChecksumAt
			if packet[i] != before[i] && i != at && i != at+1 {
				t.Fatalf("byte %d of %x was changed", i, before)
			}
		}
	})
}

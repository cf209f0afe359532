package packet

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTCPRoundTrip(t *testing.T) {
	for range 1000 {
		want := TCP{
			Src: netip.AddrPortFrom(client, uint16(rand.Uint32())), Dst: netip.AddrPortFrom(vip, uint16(rand.Uint32())),
			Seq: rand.Uint32(), Ack: rand.Uint32(), Flags: TCPFlags(rand.Uint32()), Window: uint16(rand.Uint32()),
			MSS: uint16(rand.IntN(2) * rand.IntN(65536)), Payload: randomBytes(rand.IntN(9)),
		}
		packet, err := want.Packet(64)
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
	syn := NewSYN(source, target, 0xffffffff, 1460)
	synAck := TCP{Src: target, Dst: source, Seq: 77, Ack: 0, Flags: SYN | ACK}
	rst := TCP{Src: target, Dst: source, Ack: 0, Flags: RST | ACK}
	other, stale, fromElsewhere := synAck, synAck, rst
	other.Dst = netip.AddrPortFrom(client, 40001)
	stale.Ack = 1
	fromElsewhere.Src = netip.AddrPortFrom(rs1, 80)
	for _, c := range []struct {
		name             string
		answer           TCP
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
	want := TCP{Src: source, Dst: target, Seq: 0, Flags: RST}
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

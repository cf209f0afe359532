package probe_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"rsagent/agent/packet"
	"rsagent/health/probe"
)

// afar is a wire to a real server that answers what it is told to.
type afar struct {
	*host
	limit  int // larger outer packets disappear
	answer func(inner, outer []byte) ([]byte, error)
}

func (a *afar) Write(b []byte) (int, error) {
	inner, _ := decapsulate(b)
	a.packets++
	if len(b) > a.limit {
		return len(b), nil
	}
	if answer, err := a.answer(inner, b); answer != nil || err != nil {
		a.host.answer(answer, err)
	}
	return len(b), nil
}

func accept(inner, _ []byte) ([]byte, error) {
	if m, err := packet.ParseICMP(inner); err == nil {
		return reply(m)
	}
	s, err := packet.ParseTCP(inner)
	if err != nil || s.Flags != packet.SYN {
		return nil, err
	}
	return packet.TCP{Src: s.Dst, Dst: s.Src, Ack: s.Seq + 1, Flags: packet.SYN | packet.ACK}.Packet(64)
}

func icmp(from netip.Addr, kind, code uint8, outer bool) func(inner, packet []byte) ([]byte, error) {
	return func(inner, quoted []byte) ([]byte, error) {
		if !outer {
			quoted = inner
		}
		return packet.ICMP{Src: from, Dst: dip, Type: kind, Code: code, Payload: quoted}.Packet(64)
	}
}

func TestRemote(t *testing.T) {
	t.Parallel()
	router := netip.MustParseAddr("10.9.9.9")
	cut := func(_, packet []byte) ([]byte, error) { return icmp(rip, 3, 2, true)(nil, packet[:28]) }
	for _, row := range []struct {
		name    string
		answer  func(inner, outer []byte) ([]byte, error)
		outcome probe.Outcome
		cause   probe.Cause
		why     string
	}{
		{"healthy", accept, probe.Pass, "", ""},
		{"nothing", func([]byte, []byte) ([]byte, error) { return nil, nil }, probe.Fail, probe.Silent, "no answer from 10.0.0.100:80 to 3 packets"},
		{"no module", icmp(rip, 3, 2, true), probe.Fail, probe.NoModule, "protocol unreachable"},
		{"no module, in a short quote", cut, probe.Fail, probe.NoModule, "protocol unreachable"},
		{"tunnel down", icmp(rip, 3, 3, true), probe.Fail, probe.TunnelDown, "port unreachable"},
		{"forwarded", icmp(rip, 11, 0, false), probe.Fail, probe.Forwarded, "time exceeded"},
		{"rejected", icmp(rip, 3, 13, true), probe.Fail, probe.Firewall, "administratively prohibited"},
		{"rejected behind the tunnel", icmp(rip, 3, 3, false), probe.Fail, probe.Firewall, "behind the tunnel"},
		{"not on the way", icmp(router, 3, 1, true), probe.CouldNotTell, "", "host unreachable, says 10.9.9.9"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &afar{host: newHost(), limit: 1500, answer: row.answer}
				r := probe.Remote{Wire: w, Local: dip, RIP: rip, Target: web}.Probe(t.Context())
				if r.Outcome != row.outcome || r.Cause != row.cause || !strings.Contains(r.Why, row.why) {
					t.Errorf("got %s %q %q, want %s %q %q", r.Outcome, r.Cause, r.Why, row.outcome, row.cause, row.why)
				}
			})
		})
	}
}

func TestRemoteLargestPacket(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ limit, want int }{{1500, 1480}, {1499, 1479}, {1400, 1380}, {9000, 1480}, {576, 556}, {88, 68}, {87, 0}} {
		for _, target := range []probe.Target{web, echo} {
			synctest.Test(t, func(t *testing.T) {
				w := &afar{host: newHost(), limit: row.limit, answer: accept}
				got, err := probe.Remote{Wire: w, Local: dip, RIP: rip, Target: target}.LargestPacket(t.Context(), 1480)
				if got != row.want || (err != nil) != (row.want == 0) {
					t.Errorf("%d, %s: got %d, %v, want %d", row.limit, target, got, err, row.want)
				}
			})
		}
	}
}

package probe

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/packet"
)

// Every target has its turn once an interval, in rounds that are neither many nor large.
func TestRoundsOfASweep(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		targets  int
		interval time.Duration
		want     int
	}{
		{0, 5 * time.Second, 0}, {1, 5 * time.Second, 1}, {3, 5 * time.Second, 3}, {16, 5 * time.Second, 5}, {160, 5 * time.Second, 5},
		{161, 5 * time.Second, 6}, {1000, 5 * time.Second, 32}, {10000, 5 * time.Second, 50}, {16, time.Second, 1}, {33, time.Second, 2},
		{10000, time.Second, 10}, {16, 1999 * time.Millisecond, 1}, {10000, time.Hour, 3600}, {16, 50 * time.Millisecond, 1},
	} {
		got := rounds(row.targets, row.interval)
		if got != row.want {
			t.Errorf("rounds(%d, %v): got %d, want %d", row.targets, row.interval, got, row.want)
		}
		for i := range got {
			at := turn(i, got, row.interval)
			if at >= row.interval || due(got, at, row.interval) != i+1 || i > 0 && due(got, at-1, row.interval) != i {
				t.Fatalf("turn(%d, %d): got %v, when %d are due", i, got, at, due(got, at, row.interval))
			}
		}
		if due(got, row.interval, row.interval) != got || due(got, time.Hour, row.interval) != got {
			t.Errorf("%d targets, %v: not all are due in the end", row.targets, row.interval)
		}
	}
}

func TestRIP(t *testing.T) {
	t.Parallel()
	vip, one, two := netip.MustParseAddr("10.0.0.100"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.1.0.1")
	links := []agent.Link{{Index: 1, Up: true}, {Index: 2, Up: true, ARP: true}, {Index: 3, ARP: true}}
	on := func(index int, a netip.Addr) agent.Addr {
		return agent.Addr{Index: index, Prefix: netip.PrefixFrom(a, 24)}
	}
	for _, row := range []struct {
		name   string
		addrs  []agent.Addr
		source netip.Addr
		want   netip.Addr
	}{
		{"nothing", nil, one, netip.Addr{}},
		{"the source", []agent.Addr{on(2, one), on(2, two)}, two, two},
		{"the first", []agent.Addr{on(2, one), on(2, two)}, netip.Addr{}, one},
		{"not the VIP, even as source", []agent.Addr{on(2, vip), on(2, one)}, vip, one},
		{"not on a device without ARP", []agent.Addr{on(1, one)}, one, netip.Addr{}},
		{"not on a device that is down", []agent.Addr{on(3, one)}, one, netip.Addr{}},
	} {
		got := RIP(agent.Observed{Links: links, Addrs: row.addrs, Source: row.source}, []netip.Addr{vip})
		if got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
}

// What only evidence can be wrong about: a silence that proves nothing.
func TestDoubt(t *testing.T) {
	t.Parallel()
	vip := netip.MustParseAddr("10.0.0.100")
	got := agent.Observed{
		Module: agent.Module{Loaded: true},
		Links:  []agent.Link{{Index: 3, Name: "tunl0", Kind: "ipip", Up: true}},
		Addrs:  []agent.Addr{{Index: 3, Prefix: netip.PrefixFrom(vip, 32)}},
	}
	seen := map[string]uint64{"rx/tunl0": 3}
	for _, row := range []struct {
		name string
		e    Evidence
		want Outcome
	}{
		{"a port, and nothing arrives", Evidence{Target: Target{vip, 80}, Sent: 3}, Fail},
		{"a port, sent as nobody's director", Evidence{Target: Target{vip, 80}, Sent: 3, Unheard: true}, CouldNotTell},
		{"the same, and it arrives", Evidence{Target: Target{vip, 80}, Sent: 3, Unheard: true, Delta: seen}, Fail},
		{"a port, and the counters cannot be read", Evidence{Target: Target{vip, 80}}, Fail},
		{"an echo, and nothing arrives", Evidence{Target: Target{VIP: vip}, Sent: 3}, Fail},
		{"an echo, and it arrives", Evidence{Target: Target{VIP: vip}, Sent: 3, Delta: seen}, CouldNotTell},
		{"an echo, and the counters cannot be read", Evidence{Target: Target{VIP: vip}}, CouldNotTell},
		{"an echo that is rejected", Evidence{Target: Target{VIP: vip}, Sent: 3, Complaints: []Complaint{{Type: 3, Code: 13}}}, CouldNotTell},
		{"a port that is rejected", Evidence{Target: Target{vip, 80}, Sent: 3, Complaints: []Complaint{{Type: 3, Code: 3}}}, Fail},
		{"protocol 4 rejected aloud", Evidence{Target: Target{vip, 80}, Sent: 3, Complaints: []Complaint{{Type: 3, Code: 3, Outer: true}}}, Fail},
	} {
		row.e.Got = got
		outcome, cause, why, _ := Diagnose(row.e)
		if outcome != row.want || (outcome == Fail) != (cause == Firewall) || why == "" {
			t.Errorf("%s: got %s %q %q, want %s", row.name, outcome, cause, why, row.want)
		}
	}
	if outcome, cause, _, way := Diagnose(Evidence{}); outcome != Fail || cause != NoModule || len(way) != len(hops) {
		t.Errorf("no evidence at all: got %s %q", outcome, cause)
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	r := Result{
		Target: Target{netip.MustParseAddr("10.0.0.100"), 80}, Outcome: Fail, Cause: RPFilter,
		Way: []Hop{{"packet in", HopOK, "from a to b"}, {"rp_filter", HopFailed, "strict"}, {"VIP", HopUnknown, "not reached"}},
	}
	const want = "10.0.0.100:80  fail: rp_filter\n" +
		"  ok       packet in   from a to b\n" +
		"  FAILED   rp_filter   strict\n" +
		"  unknown  VIP         not reached\n" +
		"10.0.0.100  could not tell: no device\n"
	var b strings.Builder
	for _, r := range []Result{r, {Target: Target{VIP: r.Target.VIP}, Outcome: CouldNotTell, Why: "no device"}} {
		if err := Render(&b, r); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

// A quote names the shot it is about, whether the outer or the inner packet is quoted, and as soon as it reaches its ports.
func TestReadQuote(t *testing.T) {
	t.Parallel()
	rip, source := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.4")
	for _, port := range []uint16{80, 0} {
		s := &shot{target: Target{netip.MustParseAddr("10.0.0.100"), port}, client: netip.MustParseAddr("192.0.2.254"), source: source, number: 4242}
		outer, err := s.encapsulated(rip, 1)
		if err != nil {
			t.Fatal(err)
		}
		_, inner, err := packet.Parse(outer)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(outer) + 1 {
			q, ok := readQuote(outer[:n])
			if ok != (n >= 20) || ok && (!q.outer || q.dst != rip) || q.known && q.key != s.key() || n >= 48 && !q.known {
				t.Errorf("outer, %d bytes: got %+v, %v", n, q, ok)
			}
		}
		for n := range len(inner) + 1 {
			q, ok := readQuote(inner[:n])
			if q.outer || ok && q.key != s.key() || ok != q.known || n >= 28 && !ok {
				t.Errorf("inner, %d bytes: got %+v, %v", n, q, ok)
			}
		}
	}
}

func FuzzFlightTakes(f *testing.F) {
	vip, client, source, rip := netip.MustParseAddr("10.0.0.100"), netip.MustParseAddr("192.0.2.254"), netip.MustParseAddr("10.0.0.4"), netip.MustParseAddr("10.0.0.2")
	s := shot{target: Target{vip, 80}, client: client, source: source, number: 4242}
	sent, err := s.encapsulated(rip, 1)
	if err != nil {
		f.Fatal(err)
	}
	complaint, err := packet.ICMP{Src: rip, Dst: source, Type: 3, Code: 2, Payload: sent}.Packet(64)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sent)
	f.Add(complaint)
	f.Fuzz(func(t *testing.T, received []byte) {
		fired := s
		fl := flight{wire: sink{}, rip: rip, outerTTL: 1, nobody: client, stranger: source, byKey: map[key]*shot{s.key(): &fired}}
		if err := fl.take(received, time.Now()); err != nil {
			t.Errorf("%x: %v", received, err)
		}
		if fired.answer != silence && !slices.Contains([]byte{1, 6}, received[9]) {
			t.Errorf("%x: taken for an answer", received)
		}
	})
}

// sink is a wire that leads nowhere.
type sink struct{}

func (sink) Read([]byte) (int, error)        { return 0, nil }
func (sink) Write(b []byte) (int, error)     { return len(b), nil }
func (sink) SetReadDeadline(time.Time) error { return nil }

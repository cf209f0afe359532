package director

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// outcomes turns "+" (ready), "-" (not ready) and "?" (unasked) into outcomes.
func outcomes(text string) []outcome {
	var list []outcome
	for _, c := range text {
		list = append(list, map[rune]outcome{'+': ready, '-': notReady, '?': unasked}[c])
	}
	return list
}

func TestWatcherDecides(t *testing.T) {
	const in, out = false, true
	for _, c := range []struct {
		name       string
		start      bool
		rise, fall int
		heard      string // outcomes
		want       string // steps: '.' leave, '0' quiesce, 'w' restore
	}{
		{"in and ready", in, 2, 1, "+++", "www"},
		{"one is enough to fall", in, 2, 1, "+-", "w0"},
		{"and two to rise", out, 2, 1, "++", "0w"},
		{"two in a row", out, 2, 1, "+-+-++", "00000w"},
		{"out stays out, and is said again", in, 2, 1, "---", "000"},
		{"fall 3", in, 2, 3, "--+---", "..w..0"},
		{"not raised on a failure", in, 2, 3, "--", ".."},
		{"rise 1", out, 1, 1, "+-+", "w0w"},
		{"down, up, down", in, 2, 1, "-++-", "00w0"},
		{"unasked changes nothing", in, 2, 1, "?+?-?", ".w.0."},
		{"and breaks no row", out, 2, 2, "+?+-?-", "0.w..0"},
	} {
		s, got := standing{out: c.start}, ""
		for _, o := range outcomes(c.heard) {
			var next step
			s, next = s.after(o, c.rise, c.fall)
			got += map[step]string{leave: ".", quiesce: "0", restore: "w"}[next]
		}
		if got != c.want {
			t.Errorf("%s: after %s: want %s, got %s", c.name, c.heard, c.want, got)
		}
	}
}

// Whatever is heard: in after rise times ready in a row, out after fall times not ready, and in between as before.
func TestWatcherDecidesByTheLastRow(t *testing.T) {
	for range 200 {
		s := standing{out: rand.N(2) == 0}
		rise, fall := 1+rand.N(4), 1+rand.N(4)
		good, bad, out := 0, 0, s.out
		for range 100 {
			o := ready
			if rand.N(2) == 0 {
				o, good, bad = notReady, 0, bad+1
			} else {
				good, bad = good+1, 0
			}
			switch {
			case good >= rise:
				out = false
			case bad >= fall:
				out = true
			}
			var next step
			s, next = s.after(o, rise, fall)
			if s.out != out || (next == quiesce) != out || next == restore && o != ready {
				t.Fatalf("rise %d, fall %d, %d ready, %d not ready in a row: want out %v, got %+v, step %d", rise, fall, good, bad, out, s, next)
			}
		}
	}
}

func TestWatcherRefuses(t *testing.T) {
	one := []RealServer{{RIP: rs1, Weight: 1}}
	for _, c := range []struct {
		name  string
		pools []Pool
		o     WatcherOptions
		want  string
	}{
		{"options", nil, WatcherOptions{Interval: time.Millisecond, Timeout: -1, Rise: -1, Fall: 1001},
			"watcher: interval 1ms: allowed are 10ms to 1h0m0s\ntimeout -1ns: allowed are 10ms to 1h0m0s\n" +
				"rise -1: allowed are 1 to 1000\nfall 1001: allowed are 1 to 1000"},
		{"a service twice", []Pool{{web("rr"), one}, {web("wrr"), one}}, WatcherOptions{},
			"watcher: service TCP 172.25.84.100:80: twice"},
		{"servers", []Pool{{web(""), []RealServer{{RIP: rs1}, {RIP: rs1}, {RIP: vip}, {RIP: rs2, Weight: -1}, {RIP: rs2, Port: 81}}}}, WatcherOptions{},
			"watcher: service TCP 172.25.84.100:80: real server 172.25.84.2: twice\n" +
				"real server 172.25.84.100: RIP 172.25.84.100: is the VIP itself\n" +
				"real server 172.25.84.3: weight -1: allowed are 0 to 65535\n" +
				"real server 172.25.84.3: real server port 81, service port 80: TUN maps no ports"},
		{"no service", []Pool{{Service{Port: 80, Protocol: TCP}, one}}, WatcherOptions{},
			"watcher: service TCP invalid AddrPort: VIP missing"},
		{"no URL", []Pool{{web(""), one}}, WatcherOptions{URL: func(_, _ netip.Addr) string { return "172.25.84.2" }},
			`watcher: service TCP 172.25.84.100:80: real server 172.25.84.2: "172.25.84.2": want a URL such as http://172.25.84.2:9811/readyz`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewWatcher(nil, c.pools, c.o)
			refused(t, err, nil, c.want)
		})
	}
}

// What is one answer is asked once.
func TestWatcherQuestions(t *testing.T) {
	https := Service{VIP: vip, Port: 443, Protocol: TCP}
	other := Service{VIP: netip.MustParseAddr("172.25.84.101"), Port: 80, Protocol: TCP}
	pools := []Pool{
		{web("rr"), []RealServer{{RIP: rs1, Weight: 1}, {RIP: rs2, Weight: 1}}},
		{https, []RealServer{{RIP: rs1, Weight: 1}}},
		{other, []RealServer{{RIP: rs2, Weight: 1}, {RIP: rs1, Weight: 1}}},
	}
	asked := func(o WatcherOptions) map[string]int {
		w, err := NewWatcher(nil, pools, o)
		ok(t, err)
		got := make(map[string]int)
		for _, h := range w.hosts {
			for _, q := range h.questions {
				got[q.url] += len(q.places)
			}
		}
		return got
	}
	want := map[string]int{
		"http://172.25.84.2:9811/readyz/172.25.84.100": 2,
		"http://172.25.84.2:9811/readyz/172.25.84.101": 1,
		"http://172.25.84.3:9811/readyz/172.25.84.100": 1,
		"http://172.25.84.3:9811/readyz/172.25.84.101": 1,
	}
	if diff := cmp.Diff(want, asked(WatcherOptions{})); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
	want = map[string]int{"http://172.25.84.2:9811/readyz": 3, "http://172.25.84.3:9811/readyz": 2}
	got := asked(WatcherOptions{URL: func(rip, _ netip.Addr) string { return "http://" + rip.String() + ":9811/readyz" }})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("questions of the whole host (-want +got):\n%s", diff)
	}
}

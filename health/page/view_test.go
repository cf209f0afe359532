package page

import (
	"testing"
	"time"

	"rsagent/agent"
	"rsagent/health"
)

func TestHeadline(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		host     host
		headline string
		state    State
		ready    bool
		summary  string
	}{
		"in order":   {hosts()["green"], "In order", Good, true, "nothing differs from the config"},
		"critical":   {hosts()["red"], "Drifted", Bad, false, "2 critical"},
		"warning":    {hosts()["warned"], "Drifted", Warn, true, "1 warning"},
		"draining":   {hosts()["draining"], "Draining", Warn, false, "nothing differs from the config"},
		"unverified": {hosts()["unverified"], "Could not tell", Unknown, false, "no pass has been verified yet"},
		"stale":      {one(func(h *host) { h.age = 12 * time.Second }), "Could not tell", Unknown, false, "the last look is too old to count"},
		"blind": {one(func(h *host) {
			h.findings = []agent.Finding{found(agent.Unknown, "sysctl/net.ipv4.conf.all.rp_filter", "0", "could not tell")}
		}), "Could not tell", Unknown, false, "1 unknown"},
		"drained and broken": {one(func(h *host) { h.drain, h.missing = hosts()["draining"].drain, []int{0} }), "Draining", Warn, false, "1 critical"},
	} {
		v := NewView(c.host.snapshot(), nil)
		if v.Headline != c.headline || v.State != c.state || v.Ready != c.ready || v.Summary != c.summary {
			t.Errorf("%s: %s (%s), ready %v, %q", name, v.Headline, v.State, v.Ready, v.Summary)
		}
	}
}

func TestStopping(t *testing.T) {
	t.Parallel()
	s := hosts()["green"].snapshot()
	s.Stopping = true
	if v := NewView(s, nil); v.Summary != "the agent is shutting down; nothing differs from the config" {
		t.Error(v.Summary)
	}
}

func TestDrainIsToldOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		drain health.DrainState
		want  string
	}{
		"none":    {health.DrainState{}, ""},
		"limited": {hosts()["draining"].drain, "Drained for 4 min, ends by itself in 11 min (12:11:00 UTC): kernel update. VIPs and tunnel stay up, so open connections finish."},
		"endless": {health.DrainState{Draining: true, Drain: health.Drain{Since: noon.Add(-50 * time.Hour)}}, "Drained for 2 days, until rsagent undrain. VIPs and tunnel stay up, so open connections finish."},
		"corrupt": {health.DrainState{Draining: true, Corrupt: "empty", Drain: health.Drain{Reason: "the drain file /x cannot be read: empty"}}, "Drained, because the drain file /x cannot be read: empty."},
	} {
		v := NewView(one(func(h *host) { h.drain = c.drain }).snapshot(), nil)
		if v.Drain != c.want || len(v.Reasons) != 0 {
			t.Errorf("%s: %q, reasons %q", name, v.Drain, v.Reasons)
		}
	}
}

func TestVIPsWithTroubleComeFirst(t *testing.T) {
	t.Parallel()
	table := NewView(host{vips: 10_000, missing: []int{9_000, 9_001}}.snapshot(), nil).VIPs
	if len(table.Rows) != shownVIPs || table.Rows[0].Ready || table.Rows[1].Ready || !table.Rows[2].Ready {
		t.Errorf("%d rows, %+v", len(table.Rows), table.Rows[:3])
	}
	if table.Summary != "9,998 of 10,000 ready" || table.More != "and 9,950 more, all ready" {
		t.Errorf("%s; %s", table.Summary, table.More)
	}
	all := make([]int, 120)
	for i := range all {
		all[i] = i
	}
	table = NewView(host{vips: 120, missing: all}.snapshot(), nil).VIPs
	if table.More != "and 70 more, 70 of them not ready or with a reason" {
		t.Error(table.More)
	}
}

func TestDrifts(t *testing.T) {
	t.Parallel()
	many := make([]health.Drift, 100)
	for i := range many {
		many[i] = drifts()[i%3]
	}
	list := NewView(one(func(h *host) { h.drifts = many }).snapshot(), nil).Drifts
	if len(list.Rows) != shownDrifts || list.More != 100-shownDrifts {
		t.Errorf("%d rows and %d more", len(list.Rows), list.More)
	}
	fight := list.Rows[0]
	if !fight.Open || !fight.Contended || fight.By != "sysctl[4711] uid 0" || fight.Outcome != "differs still, 8 attempts to repair it failed" {
		t.Errorf("%+v", fight)
	}
	if got := list.Rows[1].Outcome; got != "repaired after 3 ms" {
		t.Error(got)
	}
	if got := list.Rows[2].Outcome; got != "in order again after 4 s, not by us" {
		t.Error(got)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 310 * time.Microsecond: "310 µs", 3 * time.Millisecond: "3 ms", 3200 * time.Microsecond: "3.2 ms",
		40 * time.Millisecond: "40 ms", 90 * time.Second: "90 s", 5 * time.Minute: "5 min", 30 * time.Hour: "30 h", 72 * time.Hour: "3 days",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%d) = %s, want %s", d, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0 bit/s", 999: "999 bit/s", 1000: "1 kbit/s", 12_440: "12.4 kbit/s", 999_600: "1.0 Mbit/s", 2e9: "2 Gbit/s"} {
		if got := scaled(v, "bit/s"); got != want {
			t.Errorf("scaled(%v) = %s, want %s", v, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %s, want %s", n, got, want)
		}
	}
}

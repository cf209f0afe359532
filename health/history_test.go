package health

import (
	"net/netip"
	"testing"
	"time"
)

// walk plays evaluations a second apart on one VIP: g good, b bad, u could not
// tell, s a second without any; it returns R for ready and . for not.
func walk(p Policy, script string) string {
	var h map[netip.Addr]History
	var out []byte
	now := time.Now()
	var last Verdict
	for _, c := range script {
		now = now.Add(p.Interval)
		in := Input{Policy: p, VIPs: []netip.Addr{vipA}, Now: now, Seen: now, History: h, Report: report(seen(vipA))}
		switch c {
		case 'b':
			in.Report = report(seen(vipA), critical("link/tunl0/up"))
		case 'u':
			in.Report = report(unknown("kernel"))
		}
		if c != 's' {
			last = Evaluate(in)
			h = map[netip.Addr]History{vipA: last.VIPs[0].History}
		}
		mark := byte('.')
		if last.ReadyAt(now) {
			mark = 'R'
		}
		if last.At(now).Ready != last.ReadyAt(now) {
			mark = '!'
		}
		out = append(out, mark)
	}
	return string(out)
}

func TestHysteresis(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rise, fall   int
		script, want string
	}{
		{2, 1, "ggbggg", "RR..RR"},
		{2, 1, "bggg", "..RR"},
		{2, 1, "bgbgbgg", "......R"},
		{1, 1, "gbgbg", "R.R.R"},
		{3, 2, "gbgbbggg", "RRRR...R"},
		{2, 1, "guuug", "RRRR."},   // the gap counts as a fall,
		{2, 1, "guuugg", "RRRR.R"}, // and rise applies
		{2, 1, "guuuug", "RRRR.."},
		{2, 1, "uug", "..R"},
		{2, 1, "gssssgg", "RRRR..R"},
		{2, 1, "gbug", "R..."},
		{2, 1, "gbugg", "R...R"},
	} {
		if got := walk(Policy{time.Second, c.rise, c.fall}, c.script); got != c.want {
			t.Errorf("rise %d fall %d %s: %s, want %s", c.rise, c.fall, c.script, got, c.want)
		}
	}
}

// A burst of hints makes many passes in no time; they count as one.
func TestBurstCountsOnce(t *testing.T) {
	t.Parallel()
	p := Policy{time.Second, 3, 3}
	now := time.Now()
	h := History{}.next(good, now, now, p)
	for range 50 {
		h = h.next(bad, now, now, p)
	}
	if !h.Ready {
		t.Error("a burst of bad evaluations counted as three intervals")
	}
}

package health

import "time"

// A Policy says how long things count.
type Policy struct {
	Interval time.Duration // between two passes
	Rise     int           // good evaluations in a row before ready again
	Fall     int           // bad evaluations in a row before not ready
}

// Limit is the age at which a report no longer counts: three intervals.
func (p Policy) Limit() time.Duration { return 3 * p.Interval }

// An opinion is what one evaluation says about a VIP.
type opinion int

const (
	blind opinion = 0 // could not tell: changes nothing
	good  opinion = 1
	bad   opinion = -1
)

// History is what is remembered of a VIP from one evaluation to the next. The
// zero History is that of a VIP that nothing is known about.
type History struct {
	Ready    bool      // as rise and fall have it
	Known    bool      // at least one evaluation could tell
	Streak   int       // equal evaluations in a row: good above zero, bad below
	Counted  time.Time // when the streak last grew
	Verified time.Time // the last report that could tell everything of the path
	// Grace is set for a VIP that joined a host in service: until then, and
	// while it is not known, the host is judged without it.
	Grace time.Time
}

// next returns the history after an evaluation at now. verified is the time of
// the report behind it, zero if the report could not tell.
//
// The first evaluation that can tell decides at once: there is no failure to
// recover from. An evaluation like the one before counts only half an interval
// after the last that counted, so that a burst of hints from the kernel is not
// taken for a long time. A gap of more than Limit between reports counts as a
// fall.
func (h History) next(o opinion, verified, now time.Time, p Policy) History {
	if verified.After(h.Verified) {
		if h.Known && verified.Sub(h.Verified) > p.Limit() {
			h.Ready, h.Streak = false, 0
		}
		h.Verified = verified
	}
	switch {
	case o == blind:
		return h
	case !h.Known:
		h.Known, h.Ready, h.Streak, h.Counted = true, o == good, int(o), now
		return h
	case h.Streak*int(o) <= 0:
		h.Streak, h.Counted = int(o), now
	case now.Sub(h.Counted) >= p.Interval/2:
		h.Streak, h.Counted = clamp(h.Streak+int(o)), now
	}
	switch {
	case h.Streak >= max(p.Rise, 1):
		h.Ready = true
	case -h.Streak >= max(p.Fall, 1):
		h.Ready = false
	}
	return h
}

func clamp(n int) int { return min(max(n, -1000), 1000) }

package agent

import (
	"net/netip"
	"slices"
	"time"
)

// retry is how soon a pass is followed by another when it left something that
// it could not mend or could not tell. What stood in the way may be gone
// without a hint.
const retry = time.Second

// How often something that rests is looked at when hints about it keep coming.
// What was found in order may no longer be, and that must be said. What was
// found amiss stays so, until it is repaired at the end of its rest.
const (
	restingLook = 100 * time.Millisecond
	amissLook   = time.Second
)

// An agenda knows what has to be looked at, and when.
type agenda struct {
	Order
	vips    map[netip.Addr]bool
	device  string // the tunnel's name here
	hint    Hint   // what was posted and not looked at
	pending bool
	due     time.Time           // of the next whole pass
	release time.Time           // of what rests; zero if nothing does
	looked  time.Time           // when the last pass began
	known   map[Subject]Finding // what the last whole report left that is not in order
	hinted  bool                // the last pass was begun for a hint alone
	budget  budget
}

// take replaces the order; a whole pass is due.
func (a *agenda) take(o Order) {
	a.Order, a.vips, a.due = o, wanted(o.Want.VIPs), time.Time{}
	if a.device == "" {
		a.device = o.Want.Device
	}
}

func (a *agenda) post(h Hint) {
	a.hint, a.pending = a.hint.Merge(h), true
}

// next returns what to look at now, if anything is due. The findings in
// resting are looked at, but not every time.
func (a *agenda) next(now time.Time, resting map[Subject]bool) (s scope, due bool) {
	a.hinted = false
	if !now.Before(a.due) || !a.release.IsZero() && !now.Before(a.release) {
		return scope{whole: true}, true
	}
	if !a.pending || now.Before(a.earliest(now, resting)) {
		return scope{}, false
	}
	a.hinted = true
	return a.Want.scope(a.hint, a.vips), true
}

// earliest returns when the pending hint may be looked at.
func (a *agenda) earliest(now time.Time, resting map[Subject]bool) time.Time {
	if len(a.hint.Mended) > 0 { // to be verified
		return now
	}
	at := a.budget.at(now)
	spacing, rests := a.rests(resting)
	if look := a.looked.Add(spacing); rests && at.Before(look) {
		at = look
	}
	return at
}

// rests reports whether the pending hint is about nothing but what rests, and
// how much time to leave between looks at it.
func (a *agenda) rests(resting map[Subject]bool) (spacing time.Duration, all bool) {
	h := a.hint
	if len(resting) == 0 || h.All || len(h.Addrs)+len(h.Keys)+len(h.Links) == 0 {
		return 0, false
	}
	var about []Subject
	for _, v := range h.Addrs {
		about = append(about, Subject{Kind: KindVIP, Device: a.device, VIP: v})
	}
	for _, k := range h.Keys {
		about = append(about, SubjectOf(k))
	}
	for _, l := range h.Links {
		if l != a.device {
			return 0, false
		}
		about = append(about, Subject{Kind: KindLinkUp, Device: l})
	}
	spacing = amissLook
	for _, s := range about {
		if !resting[s] {
			return 0, false
		}
		if _, amiss := a.known[s]; !amiss {
			spacing = restingLook
		}
	}
	return spacing, true
}

// begin takes the hint: what is posted from now on costs another pass.
func (a *agenda) begin(now time.Time) Hint {
	h := a.hint
	a.hint, a.pending, a.release, a.looked = Hint{}, false, time.Time{}, now
	return h
}

// ended takes the outcome of a pass.
func (a *agenda) ended(r Report, failed bool, now time.Time) {
	if a.hinted && len(r.Done) == 0 {
		a.budget.spend(r.Took, now)
	}
	if r.Scope.Partial {
		return
	}
	if r.Device != "" {
		a.device = r.Device
	}
	pause := a.Interval
	if failed || r.State() == Unknown || !r.Converged() {
		pause = min(pause, retry)
	}
	a.due = now.Add(pause)
}

// when returns when there is something to do next.
func (a *agenda) when(now time.Time, resting map[Subject]bool) time.Time {
	at := a.due
	if !a.release.IsZero() && a.release.Before(at) {
		at = a.release
	}
	if a.pending {
		if e := a.earliest(now, resting); e.Before(at) {
			at = e
		}
	}
	return at
}

// A budget rations looks that find nothing to mend, so that a storm of changes
// that do not concern us costs a tenth of a core and no more. Saved up is half
// a second of looking, so that single changes are looked at without delay.
type budget struct {
	credit time.Duration // at the time of last
	last   time.Time
}

const (
	budgetShare = 10 // one part in so many
	budgetSaved = 500 * time.Millisecond
)

func newBudget(now time.Time) budget { return budget{budgetSaved, now} }

// spend takes what a look has cost. One that took longer than could be saved up
// has mostly waited, as for a machine that was stopped.
func (b *budget) spend(d time.Duration, now time.Time) {
	b.credit = min(b.credit+now.Sub(b.last)/budgetShare, budgetSaved) - min(d, budgetSaved)
	b.last = now
}

// at returns the earliest time for a look.
func (b *budget) at(now time.Time) time.Time {
	credit := b.credit + now.Sub(b.last)/budgetShare
	if credit >= 0 {
		return now
	}
	return now.Add(-credit * budgetShare)
}

// about reports whether the finding is about a setting or one of the VIPs.
func about(s Subject, vips []netip.Addr) bool {
	switch s.Kind {
	case KindARP, KindRPFilter:
		return true
	case KindConflict:
		return false // it is kept account of by itself
	}
	return slices.Contains(vips, s.VIP)
}

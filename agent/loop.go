package agent

import (
	"context"
	"net/netip"
	"time"
)

// An Order is what a loop has to do.
type Order struct {
	Want     Desired
	Interval time.Duration // how often to look without a hint; must be positive
}

// A Loop keeps a real server converged.
type Loop struct {
	Kernel Kernel
	Store  Store
	// Report is called after every pass, from the loop's goroutine. Reports
	// that are Focused add to the last whole one.
	Report func(Report, error)
	// Owner, if not nil, is asked once when a fight begins: who the other may
	// be and which setting ends the fight, one sentence each.
	Owner func(Desired, Conflict) []string
}

// Run makes a pass at once, then on hints and every interval, until ctx ends.
// A hint costs one pass, hints during a pass cost one more, and looks that find
// nothing to mend are rationed, see budget. An order received from reload
// replaces the present one. Run leaves the kernel as it is when it returns:
// VIPs are never taken away by stopping.
func (l Loop) Run(ctx context.Context, order Order, reload <-chan Order) {
	t := &turn{Loop: l, agenda: agenda{budget: newBudget(time.Now())}}
	t.take(order)
	hints := l.Kernel.Watch(ctx)
	t.hints = hints
	defer l.Kernel.Stand(nil, 0)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case o := <-reload:
			t.take(o)
			t.stand = nil
		case h, open := <-hints:
			if !open {
				hints = nil // ctx is ending
				continue
			}
			t.post(h)
		case <-timer.C:
		}
		for ctx.Err() == nil && t.do(ctx) {
			t.drain()
			select {
			case o := <-reload: // it does not wait for the end of the repairs
				t.take(o)
				t.stand = nil
			default:
			}
		}
		timer.Reset(t.pause())
	}
}

// A turn is a loop at work.
type turn struct {
	Loop
	agenda
	fights  fights
	hints   <-chan Hint
	whole   bool      // only a whole pass will do
	base    Baseline  // of the last pass
	based   bool      // it is known
	stand   *Standing // of the last whole pass
	edition int       // of the last reading
}

// drain takes the hint that is waiting, if one is.
func (t *turn) drain() {
	select {
	case h, open := <-t.hints:
		if open {
			t.post(h)
		}
	default:
	}
}

// pause returns how long to wait for a hint.
func (t *turn) pause() time.Duration {
	now := time.Now()
	at, resting := t.fights.next(now)
	t.release = at
	return max(0, t.when(now, resting).Sub(now))
}

// do makes the pass that is due. It reports whether one was.
func (t *turn) do(ctx context.Context) bool {
	now := time.Now()
	_, resting := t.fights.next(now)
	s, due := t.next(now, resting)
	if !due {
		return false
	}
	t.Kernel.Stand(nil, 0)
	hint := t.begin(now)
	if len(hint.Audit) > patientTraces { // who asked is remembered for so long only
		hint.Audit = hint.Signed()
	}
	if s.whole || t.whole || !t.focused(ctx, s.vips, &hint) {
		r, err := t.pass(ctx, t.Want, hint)
		t.know(r)
		t.ended(r, err != nil, time.Now())
		t.Report(r, err)
	}
	t.permit()
	return true
}

// know keeps what a whole pass left. While a VIP is amiss nothing is judged by
// a part: whether a setting may be changed depends on all of them, see Diff.
func (t *turn) know(r Report) {
	t.known, t.whole = map[Subject]Finding{}, len(r.After) == 0
	for _, f := range NotOK(r.After) {
		t.known[f.Subject] = f
		t.whole = t.whole || f.Severity > Warning && (f.Kind == KindVIP || f.Kind == KindStray)
	}
}

// focused makes a pass over a part. It reports whether that was enough: where
// it leaves anything else than it was at the last whole pass, another whole
// pass says how things are.
func (t *turn) focused(ctx context.Context, vips []netip.Addr, hint *Hint) bool {
	r, err := t.pass(ctx, t.Want.Focus(vips), *hint)
	enough := err == nil && t.unchanged(r, vips)
	if enough || err == nil && len(r.Done) > 0 {
		t.ended(r, false, time.Now())
		t.Report(r, nil)
		hint.Audit, hint.Mended = nil, nil // told
	}
	return enough
}

// pass makes one pass and keeps account of fights.
func (t *turn) pass(ctx context.Context, want Desired, hint Hint) (Report, error) {
	start := time.Now()
	p := &pass{
		kernel: t.Kernel, store: t.Store, want: want, base: t.base, based: t.based && want.Focused,
		hold:   func(plan []Repair) []Repair { return t.fights.hold(plan, start) },
		mended: hint.Mended,
	}
	r, err := p.run(ctx)
	t.base, t.based = p.base, err == nil
	r.Audit = hint.Signed()
	now := time.Now()
	if err == nil || !want.Focused { // else another pass tells of it
		t.note(r, now)
	}
	if !p.accounted && !want.Focused {
		t.hint.Mended = append(hint.Mended, t.hint.Mended...) // for the next one
	}
	t.fights.forget(now)
	r.Conflicts = t.fights.conflicts()
	if !want.Focused {
		for _, c := range r.Conflicts {
			r.After = append(r.After, c.finding(now))
		}
	}
	t.edition = p.got.Edition
	if err != nil {
		t.stand = nil
	} else if !want.Focused {
		t.stand = t.stand.renew(p, r, t.vips)
	}
	return r, err
}

// note keeps account of what was repaired.
func (t *turn) note(r Report, now time.Time) {
	for _, c := range t.fights.note(r, now) {
		if t.Owner != nil {
			t.fights.byFix[c.Fix].Owner = t.Owner(t.Want, c)
		}
	}
}

// permit has the kernel repair at once what is in order, unless something has
// to rest, or to be looked at: a focused reading counts as announced what it
// did not judge.
func (t *turn) permit() {
	t.drain()
	if _, resting := t.fights.next(time.Now()); t.stand != nil && len(resting) == 0 && !t.pending {
		t.Kernel.Stand(t.stand, t.edition)
	}
}

// unchanged reports whether a focused pass left things as the last whole one:
// nothing is amiss that was not, and nothing is well that was not.
func (t *turn) unchanged(r Report, vips []netip.Addr) bool {
	bad := map[Subject]bool{}
	for _, f := range NotOK(r.After) {
		old, known := t.known[f.Subject]
		if !known || old.Got != f.Got || old.Severity != f.Severity {
			return false
		}
		bad[f.Subject] = true
	}
	for s := range t.known {
		if !bad[s] && about(s, vips) {
			return false
		}
	}
	return len(r.Failed()) == 0 && len(r.Conflicts) == t.contended()
}

// contended returns how many fights the last whole report knew of.
func (t *turn) contended() int {
	n := 0
	for _, f := range t.known {
		if f.Kind == KindConflict {
			n++
		}
	}
	return n
}

// wanted returns the VIPs as a set.
func wanted(vips []netip.Addr) map[netip.Addr]bool {
	out := make(map[netip.Addr]bool, len(vips))
	for _, v := range vips {
		out[v] = true
	}
	return out
}

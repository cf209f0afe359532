package agent

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// Kernel is everything that has effects. Implementations decide nothing.
type Kernel interface {
	// Observe returns one consistent reading, without changing anything, not
	// even by loading a module. What could not be read is a Gap; an error
	// means that there is no reading. For a focused want the reading may be
	// narrowed, see Observed.Focus, and may have what the kernel does not
	// announce (arp_*) from a reading up to two seconds before; but what Apply
	// has changed is there as it is since.
	Observe(ctx context.Context, want Desired) (Observed, error)
	// Apply carries out actions of one phase, all of them, and returns one
	// error for each, nil for those done. Doing what is already so succeeds.
	Apply(ctx context.Context, actions []Action) []error
	// Watch returns hints to look again. They are lossy: several changes may
	// give one hint, and some changes give none. A focused reading that begins
	// after a hint was received covers what the hint is about. The channel is
	// closed when ctx ends.
	Watch(ctx context.Context) <-chan Hint
	// Stand permits one repair out of s at once, when what calls for it is
	// announced soon after the reading of that edition and nothing else was
	// since; a hint tells of it. nil permits none. A repair that was permitted
	// before is over when Stand returns.
	Stand(s *Standing, edition int)
}

// Store keeps the Baseline across runs.
type Store interface {
	// Load returns the baseline of this boot and network namespace, empty if
	// there is none.
	Load() (Baseline, error)
	// Save replaces it, atomically and durably.
	Save(Baseline) error
	// Hold waits until no other process is changing the host with this store,
	// and keeps others from it until release is called.
	Hold(ctx context.Context) (release func(), err error)
	// Try is Hold without waiting. It also reports false where the baseline is
	// not what Load had last. Unlike the others it may be called at any time.
	Try() (release func(), free bool)
}

// rounds bounds a pass: one to make the tunnel, one for the rest, and two for
// somebody (udev, as a rule) who undoes a setting while we are at it.
const rounds = 4

// ErrWithheld is the error of a step that was not tried, to be safe.
var ErrWithheld = errors.New("not tried, because an earlier step failed")

// Look observes and compares, and changes nothing. What a pass would do is in
// the report's Plan. A store that cannot be read counts as empty: looking must
// work for everyone.
func Look(ctx context.Context, k Kernel, s Store, want Desired) (Report, Observed) {
	base, err := s.Load()
	if err != nil {
		base = Baseline{}
	}
	start := time.Now()
	got, findings := look(ctx, k, base, want)
	r := newReport(start, want)
	r.Before = findings
	r.leave(want, got, findings)
	return r, got
}

func newReport(start time.Time, want Desired) Report {
	r := Report{Time: start, VIPs: len(want.VIPs), Found: ByResync}
	if want.Focused {
		r.Found, r.Scope = ByEvent, Scope{Partial: true, Settings: true, VIPs: want.VIPs}
	}
	return r
}

// leave fills in what is left, now.
func (r *Report) leave(want Desired, got Observed, findings []Finding) {
	r.After, r.Device = findings, got.device(want)
	r.Plan, r.Would = want.splitByPolicy(Plan(findings))
	r.Took = time.Since(r.Time)
}

func look(ctx context.Context, k Kernel, base Baseline, want Desired) (Observed, []Finding) {
	got, err := k.Observe(ctx, want)
	if err != nil {
		return got, []Finding{{
			Subject: Subject{Kind: KindKernel}, Severity: Unknown, Want: "a reading", Got: "could not tell", Why: err.Error() + ".",
			Row: &Row{"kernel", "netlink", "a reading", "could not tell"},
		}}
	}
	got.Adopted = base.PinnedOn(got)
	return got, Diff(want, got)
}

// Pass makes the kernel what want asks for, as far as that is safe and want's
// policy has it done, and returns what it found, did and left. It is
// idempotent, and may be cut short at any point: the next pass goes on. The
// error is about the store: what was found could not be recorded, and nothing
// was changed after that.
func Pass(ctx context.Context, k Kernel, s Store, want Desired) (Report, error) {
	return (&pass{kernel: k, store: s, want: want}).run(ctx)
}

func (p *pass) run(ctx context.Context) (Report, error) {
	r := newReport(time.Now(), p.want)
	var err error
	if !p.based {
		if p.base, err = p.store.Load(); err != nil && !p.want.ObserveOnly {
			return r, err
		}
	}
	// What was begun is looked at to the end: a reading that fails only because
	// we are leaving would say nothing about the host.
	looking := context.WithoutCancel(ctx)
	got, findings := look(looking, p.kernel, p.base, p.want)
	plan := p.plan(findings)
	if len(plan) > 0 {
		release, err := p.store.Hold(ctx)
		if err != nil {
			p.found(&r, got, findings)
			r.leave(p.want, got, findings)
			return r, fmt.Errorf("nothing was changed: %w", err)
		}
		defer release()
		before := p.base
		if p.base, err = p.store.Load(); err != nil {
			return r, err
		}
		if !reflect.DeepEqual(before, p.base) { // another process was here meanwhile
			got, findings = look(looking, p.kernel, p.base, p.want)
			plan = p.plan(findings)
		}
	}
	p.found(&r, got, findings)
	p.got, findings, err = p.rounds(ctx, &r, got, findings, plan)
	r.leave(p.want, p.got, findings)
	return r, err
}

// plan returns what is to be done now: what policy permits and no fight holds.
func (p *pass) plan(findings []Finding) []Repair {
	do, _ := p.want.splitByPolicy(Plan(findings))
	if p.hold != nil {
		do = p.hold(do)
	}
	return do
}

// rounds carries out the plan, looks again and plans anew until nothing is left
// to do or nothing comes of it.
func (p *pass) rounds(ctx context.Context, r *Report, got Observed, findings []Finding, plan []Repair) (Observed, []Finding, error) {
	for range rounds {
		if len(plan) == 0 || ctx.Err() != nil {
			break
		}
		steps, err := p.round(ctx, got, plan)
		r.Done = append(r.Done, steps...)
		if err != nil {
			if len(r.Done) == 0 {
				err = fmt.Errorf("nothing was changed: %w", err)
			}
			return got, findings, err
		}
		got, findings = look(context.WithoutCancel(ctx), p.kernel, p.base, p.want)
		if !progress(steps) {
			break
		}
		plan = p.plan(findings)
	}
	return got, findings, nil
}

type pass struct {
	kernel    Kernel
	store     Store
	want      Desired
	base      Baseline
	based     bool                    // base is what it was a moment ago; loaded anew before anything is changed
	hold      func([]Repair) []Repair // nil: everything at once
	mended    []Reflex
	accounted bool     // mended is in the report
	got       Observed // as left
}

// round carries out a plan, or, if it makes the tunnel, that part alone: what
// else is needed can only be seen when the device is there.
func (p *pass) round(ctx context.Context, got Observed, plan []Repair) ([]Step, error) {
	if plan[0].Action.Phase() == PhaseTunnel {
		n := 1
		for n < len(plan) && plan[n].Action.Phase() == PhaseTunnel {
			n++
		}
		plan = plan[:n]
	}
	linkKnown := p.base.Link != nil
	if base, changed := p.base.Record(got, Actions(plan)); changed {
		if err := p.store.Save(base); err != nil {
			return nil, fmt.Errorf("what was found cannot be recorded: %w", err)
		}
		p.base = base
	}
	steps := Execute(ctx, p.kernel, plan)
	if plan[0].Action.Phase() == PhaseTunnel && !progress(steps) && !linkKnown {
		return steps, p.forgetLink()
	}
	if base, changed := p.base.Pin(got, done(steps)); changed {
		if err := p.store.Save(base); err != nil {
			return steps, err
		}
		p.base = base
	}
	return steps, nil
}

// forgetLink takes back that the tunnel is of our making, when making it has
// failed: who makes it later is its owner.
func (p *pass) forgetLink() error {
	p.base.Link, p.base.Device = nil, ""
	return p.store.Save(p.base)
}

// Execute carries out a plan phase by phase and fails closed: after a failed
// setting no address is added and no device goes up, after a failed addition nothing is removed, and
// in a teardown settings are restored only when the VIPs are gone. Between
// phases it stops when ctx ends.
func Execute(ctx context.Context, k Kernel, plan []Repair) []Step {
	var steps []Step
	failed := map[Phase]bool{}
	for len(plan) > 0 {
		phase, n := plan[0].Action.Phase(), 1
		for n < len(plan) && plan[n].Action.Phase() == phase {
			n++
		}
		group := plan[:n]
		plan = plan[n:]
		var errs []error
		switch {
		case ctx.Err() != nil:
			errs = repeat(fmt.Errorf("not tried: %w", context.Cause(ctx)), n)
		case withheld(phase, failed):
			errs = repeat(ErrWithheld, n)
		default:
			// A phase that has begun is finished: half a group helps nobody.
			errs = k.Apply(context.WithoutCancel(ctx), Actions(group))
		}
		now := time.Now()
		for i, r := range group {
			steps = append(steps, Step{r, errs[i], now})
			failed[phase] = failed[phase] || errs[i] != nil
		}
	}
	return steps
}

func withheld(phase Phase, failed map[Phase]bool) bool {
	switch phase {
	case PhaseSysctl:
		return failed[PhaseTunnel]
	case PhasePersist:
		return failed[PhaseSysctl] // what is not so is not to be kept
	case PhaseAddress, PhaseLinkUp:
		return failed[PhaseTunnel] || failed[PhaseSysctl]
	case PhaseRemove:
		return failed[PhaseAddress]
	case PhaseRestore, PhaseDown, PhaseUnload:
		return failed[PhaseRemove]
	}
	return false
}

func repeat(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func done(steps []Step) []Action {
	var out []Action
	for _, s := range steps {
		if s.Err == nil {
			out = append(out, s.Action)
		}
	}
	return out
}

func progress(steps []Step) bool { return len(done(steps)) > 0 }

package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"rsagent/agent"
)

// A round in progress.
type round struct {
	prober   *Prober
	job      Job
	got      agent.Observed
	rip      netip.Addr
	flight   flight
	attempts map[Target][]*attempt
	delta    map[string]uint64
}

// An attempt is everything sent for one target from one outer source.
type attempt struct {
	target  Target
	source  netip.Addr
	shots   []*shot
	counted int     // shots that were sent between the readings of the counters
	others  []*shot // the same from another source, for comparison
}

var errNoRIP = errors.New("this host has no address of its own on a NIC, to which a director could send")

func (r *round) run(ctx context.Context) (err error) {
	p := r.prober
	glance := p.Glance
	if glance == nil {
		glance = p.Look
	}
	if r.got, err = glance(ctx); err != nil {
		return err
	}
	vips := r.job.vips()
	if err = p.ready(vips); err != nil {
		return err
	}
	if r.rip = RIP(r.got, vips); !r.rip.IsValid() {
		return errNoRIP
	}
	r.flight = flight{
		wire: p.end.Device, rip: r.rip, outerTTL: innerTTL,
		nobody: p.end.Client, stranger: p.end.Stranger, byKey: map[key]*shot{}, buf: p.buf,
	}
	err = r.volleys(ctx)
	if err != nil && ctx.Err() == nil {
		// The device is not what it was; the next round gets another.
		err = errors.Join(fmt.Errorf("%s: %w", p.end.Name, err), p.close())
	}
	return err
}

func (r *round) volleys(ctx context.Context) error {
	var all []*attempt
	r.attempts = map[Target][]*attempt{}
	sources := r.sources()
	for _, t := range r.job.Targets {
		if len(r.attempts[t]) > 0 {
			continue // named twice
		}
		for _, source := range sources {
			a := &attempt{target: t, source: source}
			r.attempts[t] = append(r.attempts[t], a)
			all = append(all, a)
		}
	}
	if err := r.fire(ctx, all, 1); err != nil {
		return err
	}
	silent := slices.DeleteFunc(all, (*attempt).answered)
	if len(silent) == 0 {
		return nil
	}
	return r.again(ctx, silent)
}

// copies is how many packets a silence is followed by. Several, so that one
// that got lost does not count, and so that a counter which stands for them
// moves by more than now and then by itself.
const copies = 3

// again repeats silent attempts and gathers what tells why they are silent.
func (r *round) again(ctx context.Context, silent []*attempt) error {
	device := r.prober.end.Device
	before, unreadable := device.Counters()
	if err := r.fire(ctx, silent, copies); err != nil {
		return err
	}
	after, err := device.Counters()
	if unreadable == nil && err == nil {
		r.delta = difference(before, after)
		for _, a := range silent {
			a.counted = copies
		}
	}
	if r.got, err = r.prober.Look(ctx); err != nil {
		return err
	}
	return r.compare(ctx, silent)
}

// compare sends what was still not answered in the name of the stranger, where
// it would be said that a firewall is to blame.
func (r *round) compare(ctx context.Context, silent []*attempt) error {
	stranger := r.prober.end.Stranger
	var shots []*shot
	for _, a := range silent {
		if r.conclude(a).Cause == Firewall && a.source != stranger {
			s := r.shot(a.target, stranger)
			a.others = append(a.others, s)
			shots = append(shots, s)
		}
	}
	return r.flight.fire(ctx, shots, r.timeout())
}

func (r *round) fire(ctx context.Context, attempts []*attempt, copies int) error {
	var shots []*shot
	for _, a := range attempts {
		for range copies {
			s := r.shot(a.target, a.source)
			a.shots = append(a.shots, s)
			shots = append(shots, s)
		}
	}
	return r.flight.fire(ctx, shots, r.timeout())
}

func (r *round) shot(t Target, source netip.Addr) *shot {
	return &shot{target: t, client: r.prober.end.Client, source: source, number: r.prober.number()}
}

func (r *round) timeout() time.Duration {
	if r.prober.Timeout > 0 {
		return r.prober.Timeout
	}
	return Timeout
}

// maxDirectors bounds how many directors a target is probed as. Their packets
// differ in nothing but the sender.
const maxDirectors = 4

// sources returns the outer sources to send as: the directors where that is
// safe and possible, else the stranger.
func (r *round) sources() []netip.Addr {
	end := r.prober.end
	tunnel, found := r.got.Tunnel()
	var out []netip.Addr
	for _, d := range r.job.Directors {
		if found && tunnel.Up && len(out) < maxDirectors && end.Device.Passes(d) {
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		return []netip.Addr{end.Stranger}
	}
	return out
}

func (a *attempt) answered() bool {
	return slices.ContainsFunc(a.shots, func(s *shot) bool { return s.answer != silence })
}

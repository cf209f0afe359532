package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"rsagent/agent"
)

// Timeout is how long an answer is waited for. It comes within a millisecond
// as a rule, since nothing leaves the host.
const Timeout = 300 * time.Millisecond

// maxDirectors bounds how many directors a target is probed as. Their packets
// differ in nothing but the sender.
const maxDirectors = 4

// Device is this host's own IP stack, seen from outside.
type Device interface {
	Wire
	// Counters returns the kernel's counters as nstat(8) names them, and the
	// packets received by each device as rx/<device>.
	Counters() (map[string]uint64, error)
	// Check returns an error if answers would not come back to the device.
	Check() error
	// Passes reports whether a packet from addr may come in through the device.
	Passes(addr netip.Addr) bool
	// EchoIgnored reports whether the host answers no echo request at all.
	EchoIgnored() bool
	Close() error
}

// Endpoint is an open device with its name and the two addresses that are
// routed to it: a client's, for inner packets, and a stranger's, for outer ones.
type Endpoint struct {
	Device           Device
	Name             string
	Client, Stranger netip.Addr
}

// Job is what a round is about.
type Job struct {
	Targets   []Target
	Directors []netip.Addr // who may tunnel to us; empty means that nobody said
	RPFilter  int          // wanted on the tunnel, see sysctl.Profile

	all []Target // of the sweep that Targets are a part of
}

// vips returns all addresses that are none of this host's own.
func (j Job) vips() []netip.Addr {
	var out []netip.Addr
	for _, t := range slices.Concat(j.Targets, j.all) {
		out = append(out, t.VIP)
	}
	return out
}

// Prober probes the path through this host. Its device is opened when first
// needed and kept, since each one that comes and goes makes udev replay all of
// sysctl.d; one that fails is opened anew in the next round. It is safe for
// concurrent use; rounds run one at a time.
type Prober struct {
	// Open makes the device. None of avoid may become one of its addresses.
	Open func(avoid []netip.Addr) (Endpoint, error)
	// Look returns the present reading of the host. It is asked when something
	// did not answer, and is what the cause is found by.
	Look func(context.Context) (agent.Observed, error)
	// Glance returns a reading in which the tunnel and this host's own
	// addresses are right, and which may leave out all else and be a moment
	// old. It is asked once a round; nil means Look.
	Glance func(context.Context) (agent.Observed, error)
	// Timeout is how long answers are waited for; 0 is the constant Timeout.
	Timeout time.Duration

	mu   sync.Mutex
	end  Endpoint
	next uint16 // the next port or sequence number
}

// Close closes the device, if it is open. The prober may be used again.
func (p *Prober) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.close()
}

func (p *Prober) close() error {
	if p.end.Device == nil {
		return nil
	}
	err := p.end.Device.Close()
	p.end = Endpoint{}
	return err
}

// Round probes each target and returns one result for each, in their order.
// It takes milliseconds while everything answers, and three timeouts at most.
// What keeps it from probing at all makes every result CouldNotTell.
func (p *Prober) Round(ctx context.Context, job Job) []Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	start := time.Now()
	r := round{prober: p, job: job}
	err := r.run(ctx)
	results := make([]Result, len(job.Targets))
	for i, t := range job.Targets {
		results[i] = r.result(t, err)
		results[i].Target, results[i].Time = t, start
	}
	return results
}

// ready opens the device if need be, and makes sure of it.
func (p *Prober) ready(vips []netip.Addr) error {
	taken := func(vip netip.Addr) bool { return vip == p.end.Client || vip == p.end.Stranger }
	if p.end.Device != nil && !slices.ContainsFunc(vips, taken) && p.end.Device.Check() == nil {
		return nil
	}
	if err := p.close(); err != nil {
		return err
	}
	end, err := p.Open(vips)
	if err != nil {
		return err
	}
	p.end = end
	if p.next == 0 {
		p.next = uint16(rand.Uint32())
	}
	return nil
}

// number returns a port that has not been used for longest: never one below
// 1024, from which no client comes.
func (p *Prober) number() uint16 {
	p.next++
	p.next = max(p.next, 1024)
	return p.next
}

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
		nobody: p.end.Client, stranger: p.end.Stranger, byKey: map[key]*shot{},
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

// difference returns how far each counter went up.
func difference(before, after map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for name, v := range after {
		if v > before[name] {
			out[name] = v - before[name]
		}
	}
	return out
}

func (a *attempt) answered() bool {
	return slices.ContainsFunc(a.shots, func(s *shot) bool { return s.answer != silence })
}

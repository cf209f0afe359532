package probe

import (
	"context"
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
	buf  []byte // of every flight, one after the other
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
	if p.buf == nil {
		p.buf = make([]byte, packetSize)
	}
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

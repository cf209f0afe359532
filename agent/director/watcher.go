package director

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Pool is a service and the real servers that may stand behind it. A server's Weight is the configured one, which it
// has while it is ready; with 0 it never gets a connection, which is how an operator keeps it out. Of Service only VIP,
// Port and Protocol count.
type Pool struct {
	Service Service
	Servers []RealServer
}

// WatcherOptions say how to watch. The zero value is good for real servers that run rsagent.
type WatcherOptions struct {
	// URL says what to ask a real server about a VIP. Where it gives one answer for several VIPs of a server, that is
	// asked once for all of them. By default it is ReadyURL.
	URL func(rip, vip netip.Addr) string

	// Interval is the time from one round of questions to a server to the next, 1 s by default. A round that takes
	// longer is finished first.
	Interval time.Duration

	// Timeout is how long one answer may take, connecting included. The default of 2 s leaves room for one lost SYN,
	// which is repeated after 1 s (RFC 6298, section 2), so that one lost packet takes nobody out.
	Timeout time.Duration

	// Rise is how many answers of ready in a row put a server back, 2 by default. Fall is how many of not ready take it
	// out, 1 by default: rsagent has its own fall, and whoever says "not ready" means it.
	Rise, Fall int

	// Dial opens connections, like net.Dialer's DialContext, which is the default.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Notify, if set, is told every Change, one at a time and in order for each server. The watcher waits for it.
	Notify func(Change)
}

// ReadyURL is where rsagent answers for one VIP: http://RIP:9811/readyz/VIP.
func ReadyURL(rip, vip netip.Addr) string {
	return fmt.Sprintf("http://%s/readyz/%s", netip.AddrPortFrom(rip, 9811), vip)
}

// Watcher keeps the weights of real servers in step with what the servers say about themselves, as keepalived does with
// inhibit_on_failure: 0 for a server that is not ready, so that it keeps the connections that it has and gets no new
// ones, and the configured weight for one that is. It adds and removes nothing.
//
// Ready is an answer of 200, and nothing else: not another status, a redirect, a refusal, nor silence. Only what goes
// wrong on the director itself before anything is sent, such as a lack of file descriptors, says nothing about a server
// and changes nothing.
//
// With weight 0 alone a client that takes a port again within two minutes is still sent where that port went before, out
// or not, since IPVS remembers the connection. net.ipv4.vs.expire_nodest_conn=1 on the director ends that, and lets open
// connections be (Documentation/networking/ipvs-sysctl.rst). It is the director's to set, and not done here.
//
// There is no last server that stays in because all others are out: when none is ready all weights are 0, and IPVS
// refuses clients at once (ICMP port unreachable, to a client "connection refused") instead of sending them where
// nobody answers. [Change.Left] tells when that is so.
type Watcher struct {
	director *Director
	hosts    []*host
	rise     int
	fall     int
	interval time.Duration
	notify   func(Change)

	mu   sync.Mutex         // for left, and for one call of notify at a time
	left map[serviceKey]int // servers of the service with a weight above 0
}

// host is one real server's machine: everything that is asked of one RIP.
type host struct {
	rip       netip.Addr
	questions []*question
	asker     *asker
}

// question is one URL, and what hangs on its answer.
type question struct {
	url      string
	standing standing
	mute     bool // the last time, nothing could be asked
	places   []*place
}

// place is a real server's place behind one service.
type place struct {
	service    Service
	rip        netip.Addr
	configured int
	weight     int   // in the table, by our last knowledge; unknownWeight before
	problem    error // of the last attempt to change it
}

const unknownWeight = -1

// NewWatcher returns a watcher for these pools in the director's table. It asks nobody and changes nothing yet. The
// error of pools or options that cannot be names everything that is wrong with them.
func NewWatcher(d *Director, pools []Pool, o WatcherOptions) (*Watcher, error) {
	o = o.withDefaults()
	if err := validateWatch(pools, o); err != nil {
		return nil, fmt.Errorf("watcher: %w", err)
	}
	w := &Watcher{
		director: d, hosts: hostsOf(pools, o), rise: o.Rise, fall: o.Fall, interval: o.Interval,
		notify: o.Notify, left: make(map[serviceKey]int),
	}
	return w, nil
}

func (o WatcherOptions) withDefaults() WatcherOptions {
	if o.URL == nil {
		o.URL = ReadyURL
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Notify == nil {
		o.Notify = func(Change) {}
	}
	o.Interval = cmp.Or(o.Interval, time.Second)
	o.Timeout = cmp.Or(o.Timeout, 2*time.Second)
	o.Rise, o.Fall = cmp.Or(o.Rise, 2), cmp.Or(o.Fall, 1)
	return o
}

// hostsOf gathers what is to be asked by whom it is to be asked of, in the order of the pools.
func hostsOf(pools []Pool, o WatcherOptions) []*host {
	var hosts []*host
	byRIP := make(map[netip.Addr]*host)
	byURL := make(map[netip.Addr]map[string]*question)
	for _, pool := range pools {
		for _, rs := range pool.Servers {
			h, url := byRIP[rs.RIP], o.URL(rs.RIP, pool.Service.VIP)
			if h == nil {
				h = &host{rip: rs.RIP, asker: newAsker(o)}
				byRIP[rs.RIP], byURL[rs.RIP] = h, make(map[string]*question)
				hosts = append(hosts, h)
			}
			q := byURL[rs.RIP][url]
			if q == nil {
				q = &question{url: url}
				byURL[rs.RIP][url] = q
				h.questions = append(h.questions, q)
			}
			q.places = append(q.places, &place{service: pool.Service, rip: rs.RIP, configured: rs.Weight, weight: unknownWeight})
		}
	}
	return hosts
}

// Run watches until ctx ends, and then returns nil. It is to be called once.
//
// First it reads the table. A server with weight 0 there (for all VIPs and ports that one answer counts for) is out, and
// has to be ready Rise times before it gets its configured weight; every other one is in, and has to be not ready Fall
// times before it gets 0. So a director that is restarted carries on, and a weight stays as it is until the server has
// answered or failed to. That somebody has set a weight to 0 by hand is not known from any other 0: to keep a server
// out, configure 0. Each server is first asked at a random moment within the first interval, and then every interval; different ones
// at the same time, one and the same never twice at a time.
//
// Weights are written when they have to change, and again after every round for as long as that fails; also for a
// server that is not in the table, in case that somebody adds it. What others do to a weight in the meantime stays
// until the server goes out or comes back. When Run returns, all weights stay as they are, since nothing that is known
// about the servers has changed: whoever ends the watch for good decides what they should be.
//
// The error of a table that cannot be read is that of [Director.List], and then nothing has been asked.
func (w *Watcher) Run(ctx context.Context) error {
	list, err := w.director.List()
	if err != nil {
		return fmt.Errorf("watcher: %w", err)
	}
	w.adopt(list)
	var all sync.WaitGroup
	for _, h := range w.hosts {
		all.Go(func() { w.watch(ctx, h) })
	}
	all.Wait()
	return nil
}

// watch asks one host, round after round, until ctx ends.
func (w *Watcher) watch(ctx context.Context, h *host) {
	defer h.asker.close()
	// Else a thousand servers would be asked in the same millisecond, for ever.
	first := time.NewTimer(rand.N(w.interval))
	defer first.Stop()
	select {
	case <-ctx.Done():
		return
	case <-first.C:
	}
	tick := time.NewTicker(w.interval)
	defer tick.Stop()
	for {
		w.round(ctx, h)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round asks a host all its questions, one after the other over one new connection. A host that gives no answer at all
// is not asked the rest, since each could take as long: they have the same answer.
func (w *Watcher) round(ctx context.Context, h *host) {
	defer h.asker.close()
	var a answer
	for _, q := range h.questions {
		if !a.silent {
			a = h.asker.ask(ctx, q.url)
		}
		if ctx.Err() != nil {
			return // an answer that we did not wait for says nothing
		}
		w.hear(q, a)
	}
}

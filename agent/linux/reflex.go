package linux

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink/nl"

	"rsagent/agent"
	"rsagent/sysctl"
)

// reflexes make the repairs that a Standing permits, in the goroutine that
// waits for news, with means of their own: the loop's may be in use.
type reflexes struct {
	heard    atomic.Int64 // counts what was announced
	standing atomic.Pointer[agent.Standing]
	mu       sync.Mutex // held during a repair
	conn     *conn      // nil: no repairs
	told     agent.Hint // what is to be told after a breath
}

// breath is how long after a repair it is told, and so verified: whoever waited
// for it goes first.
const breath = time.Millisecond

// keeps takes a hint that tells of a repair, and what comes before it is told.
func (r *reflexes) keeps(h agent.Hint) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(h.Mended)+len(r.told.Mended) == 0 {
		return false
	}
	r.told = r.told.Merge(h)
	return true
}

// tell returns what is to be told, once.
func (r *reflexes) tell() agent.Hint {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := r.told
	r.told = agent.Hint{}
	return told
}

// covers reports whether what is to be told is about the same address: its
// route goes with it.
func (r *reflexes) covers(route agent.Hint) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !route.All && len(route.Addrs) == 1 && slices.Contains(r.told.Addrs, route.Addrs[0])
}

// open is called before any other method. Without a socket there are no
// reflexes, and passes repair.
func (r *reflexes) open() {
	if conn, err := dial(); err == nil {
		r.conn = conn
	}
}

func (r *reflexes) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.standing.Store(nil)
	if r.conn != nil {
		r.conn.close()
	}
}

// isPort reports whether the number is that of our socket.
func (r *reflexes) isPort(port uint32) bool { return r.conn != nil && port == r.conn.port() }

func (r *reflexes) edition() int { return int(r.heard.Load()) }

// disturbed takes the permission back: something was announced. It does not
// wait for a repair.
func (r *reflexes) disturbed() {
	r.heard.Add(1)
	r.standing.Store(nil)
}

// Stand implements agent.Kernel.
func (k *Host) Stand(s *agent.Standing, edition int) {
	r := &k.reflexes
	r.mu.Lock()
	defer r.mu.Unlock()
	r.standing.Store(nil)
	if s == nil || r.conn == nil || len(r.told.Mended) > 0 {
		return
	}
	r.standing.Store(s)
	if edition != r.edition() { // looked at last, since it may change any time
		r.standing.Store(nil)
	}
}

// gone repairs the loss of an address, if that is permitted.
func (k *Host) gone(a agent.Addr) []agent.Reflex {
	return k.reflex(func(s *agent.Standing) (agent.Reflex, bool) {
		fix, ok := s.Gone(a)
		return agent.Reflex{Fix: fix}, ok
	}, func(m agent.Reflex) error {
		request := addRequest(a.Index, m.Fix.(agent.AddAddr))
		return settled(request, k.reflexes.conn.exchange([]*nl.NetlinkRequest{request})[0].err)
	})
}

// written repairs a setting, if that is permitted.
func (k *Host) written(key sysctl.Key, value int) []agent.Reflex {
	return k.reflex(func(s *agent.Standing) (agent.Reflex, bool) {
		fix, ok := s.Written(key, value)
		return agent.Reflex{Fix: fix, Got: value}, ok
	}, func(m agent.Reflex) error {
		fix := m.Fix.(agent.SetSysctl)
		k.ground.write(fix.Key, fix.Value)
		return k.settings.write(fix.Key, fix.Value)
	})
}

// reflex makes the one repair that is permitted and returns it, or nil: what
// cannot be done at once, or fails, is left to the next pass.
func (k *Host) reflex(answer func(*agent.Standing) (agent.Reflex, bool), do func(agent.Reflex) error) []agent.Reflex {
	r := &k.reflexes
	r.mu.Lock()
	defer r.mu.Unlock()
	s, now := r.standing.Swap(nil), time.Now()
	if s == nil || !k.ground.fresh(now) {
		return nil
	}
	m, ok := answer(s)
	if !ok {
		return nil
	}
	release, free := s.Hold()
	if !free {
		return nil
	}
	defer release()
	if do(m) != nil {
		return nil
	}
	return []agent.Reflex{m}
}

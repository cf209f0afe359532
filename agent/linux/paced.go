package linux

import (
	"sync"
	"time"
)

// pace is the least time between two calls.
const pace = 50 * time.Millisecond

// paced calls a function when asked to, but not too often. The zero value
// calls nothing. It is safe for concurrent use.
type paced struct {
	mu      sync.Mutex
	call    func()
	last    time.Time
	waiting bool
}

// set replaces the function; nil calls nothing.
func (p *paced) set(call func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.call = call
}

// soon calls the function from another goroutine: at once, or a pace after the
// last call. Being asked again until then asks for nothing more.
func (p *paced) soon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.call == nil || p.waiting {
		return
	}
	p.waiting = true
	time.AfterFunc(pace-time.Since(p.last), func() {
		p.mu.Lock()
		p.waiting, p.last = false, time.Now()
		call := p.call
		p.mu.Unlock()
		if call != nil {
			call()
		}
	})
}

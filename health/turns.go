package health

import (
	"sync"
	"time"
)

// Turns bounds how many readiness requests are worked on at once, so that no
// number of clients keeps the repair loop from its work: the others wait, in the
// order in which they came. Nobody has a turn while he is slow to ask or to
// read, and what takes long (the page, /status, /drift, /metrics) needs none.
type Turns struct {
	taken chan struct{} // its capacity is how many there are

	mu   sync.Mutex
	hold chan struct{} // closed when it is over; nil without one
}

// NewTurns returns turns for n requests at once, at least one.
func NewTurns(n int) *Turns { return &Turns{taken: make(chan struct{}, max(1, n))} }

// holdLimit is many times what a repair takes, and nothing to a director.
const holdLimit = 20 * time.Millisecond

// Hold lets no turn begin until release is called, but for 20 ms at the most.
// There may be one hold at a time.
func (t *Turns) Hold() (release func()) {
	hold := make(chan struct{})
	t.mu.Lock()
	t.hold = hold
	t.mu.Unlock()
	over := sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.hold = nil
		close(hold)
	})
	limit := time.AfterFunc(holdLimit, over)
	return func() {
		limit.Stop()
		over()
	}
}

func (t *Turns) take() {
	t.taken <- struct{}{}
	t.mu.Lock()
	hold := t.hold
	t.mu.Unlock()
	if hold != nil {
		<-hold
	}
}

func (t *Turns) give() { <-t.taken }

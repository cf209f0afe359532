package director

import (
	"fmt"
	"net/netip"
)

// Change is something new about a real server's weight behind one service.
type Change struct {
	Service Service
	RIP     netip.Addr
	Weight  int   // that it has now or, where that could not be written, that it should have
	Left    int   // servers of the pool that have a weight above 0 now; with 0 the service is down
	Cause   error // why it is not ready; nil if it is
	Err     error // why the weight could not be written, or why nobody could be asked; told once, tried again every round
}

// String returns the change as a line for a log.
func (c Change) String() string {
	text := fmt.Sprintf("%s: %s: weight %d", c.Service, c.RIP, c.Weight)
	switch {
	case c.Cause != nil:
		text += ": " + c.Cause.Error()
	case c.Err == nil:
		text += ": ready"
	}
	if c.Err != nil {
		text += ": " + c.Err.Error()
	}
	if c.Left == 0 {
		text += "; no server left"
	}
	return text
}

// adopt takes the weights from the table.
func (w *Watcher) adopt(list []ServiceStatus) {
	services := make(map[serviceKey]ServiceStatus)
	for _, s := range list {
		services[s.key()] = s
	}
	for _, h := range w.hosts {
		for _, q := range h.questions {
			for _, p := range q.places {
				rs, found := services[p.service.key()].server(p.rip, p.service.Port)
				if found {
					p.weight = rs.Weight
				}
				w.count(p, unknownWeight, p.weight)
			}
			q.standing = q.adopted()
		}
	}
}

// adopted is the standing of what is behind a question: in, if it is in anywhere.
func (q *question) adopted() standing {
	for _, p := range q.places {
		if p.weight > 0 {
			return standing{}
		}
	}
	return standing{out: true}
}

// hear draws the consequences of an answer.
func (w *Watcher) hear(q *question, a answer) {
	next, step := q.standing.after(a.outcome, w.rise, w.fall)
	newlyMute := a.outcome == unasked && !q.mute
	q.standing, q.mute = next, a.outcome == unasked
	for _, p := range q.places {
		switch target := p.target(step); {
		case newlyMute:
			w.tell(p, Change{Weight: max(p.weight, 0), Err: fmt.Errorf("could not ask: %w", a.cause)})
		case target == p.weight:
			p.problem = nil
		default:
			w.set(p, target, a.cause)
		}
	}
}

// set changes a weight in the table, and tells of it unless it has failed just as before.
func (w *Watcher) set(p *place, weight int, cause error) {
	err := w.director.SetWeight(p.service, p.rip, weight)
	known := p.problem
	p.problem = err
	if err != nil {
		if known == nil || known.Error() != err.Error() {
			w.tell(p, Change{Weight: weight, Cause: cause, Err: err})
		}
		return
	}
	w.count(p, p.weight, weight)
	p.weight = weight
	w.tell(p, Change{Weight: weight, Cause: cause})
}

func (w *Watcher) tell(p *place, c Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.Service, c.RIP, c.Left = p.service, p.rip, w.left[p.service.key()]
	w.notify(c)
}

// count keeps the number of servers of p's service that have a weight above 0.
func (w *Watcher) count(p *place, before, after int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before > 0 {
		w.left[p.service.key()]--
	}
	if after > 0 {
		w.left[p.service.key()]++
	}
}

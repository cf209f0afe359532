package main

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"rsagent/agent"
	"rsagent/health"
)

const (
	// authorWait is how long the line about a drift waits for its author, where
	// there is a source that names authors: the sources of both race.
	authorWait = 100 * time.Millisecond
	// tellable is how many passes may wait to be told of. With more, nothing
	// waits for an author.
	tellable = 64
)

// A teller says what the passes have brought, in their order, to the log and
// to the hook. It does so from a goroutine of its own: telling never keeps a
// repair waiting.
type teller struct {
	log    logrus.FieldLogger
	health *health.Health
	hook   *hook

	mu    sync.Mutex
	queue []told
	ended bool
	wake  chan struct{}
	done  chan struct{}
}

// told is what is told about one pass, and until when it may wait.
type told struct {
	changes
	until time.Time
}

func newTeller(log logrus.FieldLogger, h *health.Health, hook *hook) *teller {
	t := &teller{log: log, health: h, hook: hook, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go t.run()
	return t
}

// report takes a pass. The ledger must have it already.
func (t *teller) report(prev, now agent.Report) {
	c := newChanges(prev, now, t.health.Drift)
	t.mu.Lock()
	if !c.none() {
		t.queue = append(t.queue, told{c, time.Now().Add(authorWait)})
	}
	waiting := len(t.queue) > 0
	t.mu.Unlock()
	if waiting {
		t.look()
	}
}

// look makes it look again whether authors are known.
func (t *teller) look() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// end tells what is still waiting, and returns when that is done.
func (t *teller) end() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.look()
	<-t.done
}

func (t *teller) run() {
	defer close(t.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-t.wake:
		case <-timer.C:
		}
		next, ended := t.tell()
		if ended {
			return
		}
		timer.Reset(next)
	}
}

// tell tells what need not wait, and returns when to look again at the latest.
func (t *teller) tell() (next time.Duration, ended bool) {
	for {
		t.mu.Lock()
		if len(t.queue) == 0 {
			defer t.mu.Unlock()
			return time.Hour, t.ended
		}
		first, hurry := t.queue[0], t.ended || len(t.queue) > tellable
		t.mu.Unlock()
		missing := first.authors(t.health.Drift)
		if left := time.Until(first.until); missing && left > 0 && !hurry && t.namesWriters() {
			return left, false
		}
		first.log(t.log)
		t.hook.changes(first.changes)
		t.mu.Lock()
		t.queue = slices.Delete(t.queue, 0, 1)
		t.mu.Unlock()
	}
}

func (t *teller) namesWriters() bool {
	return slices.ContainsFunc(t.health.Snapshot().Sources, health.Source.NamesWriters)
}

// authors takes from the ledger who is known by now, and reports whether the
// author of a setting is not.
func (c changes) authors(entry func(id string) (health.Drift, bool)) (missing bool) {
	for _, list := range c.lists() {
		for i, one := range list {
			if one.drift.ID == "" || one.drift.Author().Known() || !strings.HasPrefix(one.drift.ID, "sysctl/") {
				continue
			}
			now, ok := entry(one.drift.ID)
			same := ok && now.Since.Equal(one.drift.Since) // and not the next time
			if same && now.Author().Known() {
				d := &list[i].drift
				d.By, d.ByPID, d.ByComm, d.ByUID = now.By, now.ByPID, now.ByComm, now.ByUID
				continue
			}
			missing = missing || same
		}
	}
	return missing
}

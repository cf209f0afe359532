package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"rsagent/agent/config"
	"rsagent/health"
)

const (
	hookQueue  = 64          // transitions that may wait
	hookOutput = 4 << 10     // bytes of its output that are logged
	hookEnd    = time.Second // how long what waits may take when the agent stops
	hookPath   = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// hookEvent is what the hook reads: one object, and the end of the input.
type hookEvent struct {
	Event    string    `json:"event"` // drifted, repaired, contended, settled, ready, not ready
	Node     string    `json:"node"`
	Time     time.Time `json:"time"`
	ID       string    `json:"id,omitempty"` // of the finding
	Severity string    `json:"severity,omitempty"`
	Want     string    `json:"want,omitempty"`
	Got      string    `json:"got,omitempty"`
	Why      string    `json:"why,omitempty"`
	By       string    `json:"by,omitempty"`
	Action   string    `json:"action,omitempty"`
	Took     float64   `json:"took_seconds,omitempty"` // to repair it
	Times    int       `json:"times,omitempty"`        // how often it came up
	VIP      string    `json:"vip,omitempty"`          // whose readiness; absent for the host's
	Code     string    `json:"code,omitempty"`         // the first reason for not being ready
}

func (c change) hookEvent(node string, at time.Time) hookEvent {
	f, d := c.finding, c.drift
	out := hookEvent{
		Event: c.event, Node: node, Time: at, ID: f.ID(), Severity: f.Severity.String(), Want: f.Want, Got: f.Got, Why: f.Why,
		By: d.By, Action: d.Action, Times: d.Times,
	}
	if c.event == repaired && !d.Repaired.IsZero() {
		out.Took = d.Repaired.Sub(d.Since).Seconds()
	}
	return out
}

func readinessEvent(t health.Transition, node string, at time.Time) hookEvent {
	out := hookEvent{Event: "ready", Node: node, Time: at}
	if t.VIP.IsValid() {
		out.VIP = t.VIP.String()
	}
	if !t.Ready {
		out.Event = "not ready"
		if len(t.Reasons) > 0 {
			out.Code, out.ID, out.Why = t.Reasons[0].Code, t.Reasons[0].ID, t.Reasons[0].Text
		}
	}
	return out
}

// A hook runs the config's command for one transition after the other. What
// posts to it never waits. A nil hook does nothing.
type hook struct {
	log     logrus.FieldLogger
	node    string
	dropped func(int) // takes the number of transitions that found no room
	exec    func(ctx context.Context, command []string, stdin []byte) ([]byte, error)

	mu    sync.Mutex
	cfg   config.Hook
	full  bool // said
	ended bool
	queue chan hookEvent

	ctx    context.Context // ends hookEnd after the end
	cancel context.CancelFunc
	done   chan struct{}
}

func newHook(log logrus.FieldLogger, dropped func(int)) *hook {
	h := &hook{log: log, node: node(), dropped: dropped, exec: runHook, queue: make(chan hookEvent, hookQueue), done: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	go h.run()
	return h
}

// follow takes a new config.
func (h *hook) follow(cfg config.Hook) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cfg = cfg
}

func (h *hook) changes(c changes) {
	if h == nil {
		return
	}
	for _, list := range c.lists() {
		for _, one := range list {
			h.post(one.hookEvent(h.node, c.at))
		}
	}
}

func (h *hook) readiness(t health.Transition) {
	if h != nil {
		h.post(readinessEvent(t, h.node, time.Now()))
	}
}

func (h *hook) post(e hookEvent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.cfg.Command) == 0 || h.ended {
		return
	}
	select {
	case h.queue <- e:
	default:
		h.dropped(1)
		if !h.full {
			h.full = true
			h.log.WithField("waiting", hookQueue).Warn("hook queue full, dropping events")
		}
	}
}

// end gives what waits a moment, and returns when nothing of it runs.
func (h *hook) end() {
	h.mu.Lock()
	h.ended = true
	close(h.queue)
	h.mu.Unlock()
	defer time.AfterFunc(hookEnd, h.cancel).Stop()
	<-h.done
	h.cancel()
}

func (h *hook) run() {
	defer close(h.done)
	dropCapabilities()
	for e := range h.queue {
		h.mu.Lock()
		cfg := h.cfg
		if len(h.queue) == 0 {
			h.full = false
		}
		h.mu.Unlock()
		switch {
		case len(cfg.Command) == 0:
		case h.ctx.Err() != nil:
			h.dropped(1)
		default:
			h.call(cfg, e)
		}
	}
}

// dropCapabilities keeps this goroutine's thread, and takes from it what the unit has
// given the agent: a hook has no business with the network's settings.
func dropCapabilities() {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	// A kernel without ambient capabilities gives none away.
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
}

func (h *hook) call(cfg config.Hook, e hookEvent) {
	stdin, err := json.Marshal(e)
	if err != nil {
		h.log.WithError(err).Error("hook")
		return
	}
	ctx, cancel := context.WithTimeoutCause(h.ctx, cfg.Timeout, fmt.Errorf("killed after %s", cfg.Timeout))
	defer cancel()
	out, err := h.exec(ctx, cfg.Command, append(stdin, '\n'))
	entry := h.log.WithFields(logrus.Fields{"event": e.Event, "command": cfg.Command[0]})
	if e.ID != "" {
		entry = entry.WithField("id", e.ID)
	}
	if len(out) > 0 {
		entry.WithField("output", string(out)).Debug("hook output")
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	if err != nil {
		entry.WithError(err).Warn("hook failed")
	}
}

// limitedBuffer keeps the beginning of what is written.
type limitedBuffer struct {
	mu   sync.Mutex
	kept []byte
	left int
}

// Write never fails: the rest is dropped.
func (c *limitedBuffer) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(b), c.left)
	c.kept, c.left = append(c.kept, b[:n]...), c.left-n
	return len(b), nil
}

func (c *limitedBuffer) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.kept)
}

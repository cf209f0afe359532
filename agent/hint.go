package agent

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"rsagent/sysctl"
)

// A Hint says where to look again. What it names may be as it was, and what it
// does not name may have changed as well: it saves work, and is believed in
// nothing. The empty Hint names nothing in particular.
type Hint struct {
	All    bool          // announcements were lost, or name nothing: look at everything
	Addrs  []netip.Addr  // addresses that came or went, on any device
	Links  []string      // devices that came, went or changed
	Keys   []sysctl.Key  // settings that were written
	Audit  []AuditRecord // who did it, as far as that was seen
	Mended []Reflex      // what was repaired at once
}

// A AuditRecord is the record of one change by somebody else.
type AuditRecord struct {
	Time    time.Time
	Subject        // of the finding that the change may cause
	Old     string // "" if not known
	New     string // "" if not known
	By      Actor
	// Asked, if not nil, tells when and by whom, and whether that is known. It
	// takes its time, and so is called after the repair.
	Asked func() (time.Time, Actor, bool)
}

// Signed returns the traces with their authors, without those of nobody known.
func (h Hint) Signed() []AuditRecord {
	var out []AuditRecord
	for _, t := range h.Audit {
		known := true
		if t.Asked != nil {
			t.Time, t.By, known = t.Asked()
			t.Asked = nil
		}
		if known {
			out = append(out, t)
		}
	}
	return out
}

// An Actor is who changed something. The zero Actor is not known. It is never
// a guess: each part was seen, or is left out.
type Actor struct {
	PID  int    `json:"pid,omitempty"`
	UID  int    `json:"uid,omitempty"` // meaningful if Comm is known
	Comm string `json:"comm,omitempty"`
}

// Known reports whether anything is known.
func (a Actor) Known() bool { return a.PID > 0 }

// String returns "sysctl[4711] uid 0", or as much of it as is known, or
// "unknown".
func (a Actor) String() string {
	switch {
	case !a.Known():
		return "unknown"
	case a.Comm == "":
		return fmt.Sprintf("process %d", a.PID)
	}
	return fmt.Sprintf("%s[%d] uid %d", a.Comm, a.PID, a.UID)
}

// patientTraces is how many traces may wait for a repair to be signed: repairs
// push what is remembered of earlier requests out of the kernel's memory.
const patientTraces = 64

// hintSize bounds each list of a Hint.
const hintSize = 1024

// Merge returns what h and later say together. Where a list would become too
// long, it says All instead; the oldest traces go first.
func (h Hint) Merge(later Hint) Hint {
	h.All = h.All || later.All
	h.Addrs = union(h.Addrs, later.Addrs)
	h.Links = union(h.Links, later.Links)
	h.Keys = union(h.Keys, later.Keys)
	if len(h.Addrs) > hintSize || len(h.Links) > hintSize || len(h.Keys) > hintSize {
		h.All, h.Addrs, h.Links, h.Keys = true, nil, nil, nil
	}
	h.Mended = append(h.Mended[:len(h.Mended):len(h.Mended)], later.Mended...)
	h.Mended = h.Mended[max(0, len(h.Mended)-hintSize):]
	h.Audit = append(h.Audit[:len(h.Audit):len(h.Audit)], later.Audit...)
	h.Audit = h.Audit[max(0, len(h.Audit)-hintSize):]
	return h
}

// union appends what is new. The lists are short: one event as a rule.
func union[T comparable](list, more []T) []T {
	if len(list) == 0 {
		return more
	}
	known := make(map[T]bool, len(list))
	for _, v := range list {
		known[v] = true
	}
	out := list[:len(list):len(list)]
	for _, v := range more {
		if !known[v] {
			known[v] = true
			out = append(out, v)
		}
	}
	return out
}

// A Mailbox holds at most one Hint: what is posted before it was received is
// merged into it. It is safe for concurrent use.
type Mailbox struct {
	mu     sync.Mutex
	ch     chan Hint
	closed bool
}

// NewMailbox returns an empty Mailbox.
func NewMailbox() *Mailbox { return &Mailbox{ch: make(chan Hint, 1)} }

// Hints returns the channel to receive from.
func (m *Mailbox) Hints() <-chan Hint { return m.ch }

// Post never blocks. After Close it does nothing.
func (m *Mailbox) Post(h Hint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	select {
	case waiting := <-m.ch:
		h = waiting.Merge(h)
	default:
	}
	m.ch <- h // only Post sends, and there is room
}

// Close closes the channel.
func (m *Mailbox) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.ch)
	}
}

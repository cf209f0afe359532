package linux

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/agent/audit"
	"rsagent/sysctl"
)

// A Witnessing is how writes to settings are seen, besides by looking.
type Witnessing struct {
	Source string // "bpf", "fanotify", or "" if writes are not seen
	Names  bool   // whether the writer is named
	// Degraded says which better way there is and what stood in it; nil if
	// there is none.
	Degraded error
	// Authors says whether it is known who changes addresses and takes devices
	// down, and Unsigned what stands in it.
	Authors  bool
	Unsigned error
}

// Witness makes Watch give hints for writes to settings as well, the kernel
// announcing only some, and say who wrote, and who changed addresses and
// devices. How well that goes depends on what this process is permitted, and
// is told to said, from another goroutine, once and again if it ends.
func Witness(said func(Witnessing)) Option { return func(k *Host) { k.said = said } }

// afterthought is how long after a write it is looked at a second time: BPF
// tells of it just before it happens.
const afterthought = 5 * time.Millisecond

// witness follows writes until ctx ends. It is begun from the network
// namespace that is watched.
func (k *Host) witness(ctx context.Context, box *agent.Mailbox) {
	netns := namespaceNumber()
	go func() {
		unsigned := k.listen(ctx, netns)
		source, err := audit.Open(audit.Options{Patient: true})
		if err != nil {
			k.said(Witnessing{Degraded: err, Authors: unsigned == nil, Unsigned: unsigned})
			return
		}
		defer source.Close()
		k.authors.set(source.Fetch)
		defer k.authors.set(nil)
		k.said(Witnessing{source.Name(), source.Attributes(), source.Degraded(), unsigned == nil, unsigned})
		err = source.Run(ctx, func(w audit.Write) {
			if h, ours := written(w, netns); ours {
				k.witnessed(h, box)
			}
		}, func() { box.Post(everything) })
		if err != nil {
			k.said(Witnessing{Degraded: err, Authors: unsigned == nil, Unsigned: unsigned})
		}
	}()
}

// witnessed passes on a write. What the kernel announces itself it says of our
// network namespace alone and when it is done, so that of such a write only its
// author is news.
func (k *Host) witnessed(h agent.Hint, box *agent.Mailbox) {
	key := h.Keys[0]
	if isAnnounced(key) {
		if len(h.Audit) > 0 {
			k.suspect(key, h, box) // a value that was there already is not announced
		}
		return
	}
	k.suspect(key, h, box)
	time.AfterFunc(afterthought, func() { k.suspect(key, agent.Hint{Keys: h.Keys}, box) })
}

// suspect has a setting looked at. The hint comes before the disturbance: what a
// reading counts as announced must have been posted, see agent.Loop.
func (k *Host) suspect(key sysctl.Key, h agent.Hint, box *agent.Mailbox) {
	k.ground.suspect(key)
	box.Post(h)
	k.reflexes.disturbed()
}

// listen remembers who changes addresses and devices, until ctx ends.
func (k *Host) listen(ctx context.Context, netns uint64) error {
	requests, err := audit.OpenRequests(netns)
	if err != nil {
		return err
	}
	k.requests.Store(requests)
	context.AfterFunc(ctx, func() { _ = requests.Close() })
	return nil
}

// written turns a write into a hint. Our own are none. Nobody is named who is
// in another network namespace, or in one that is not known: as a rule such a
// write is not about us, but a setting belongs to the namespace in which its
// file was opened, and who opened it may be elsewhere when writing.
func written(w audit.Write, netns uint64) (agent.Hint, bool) {
	key, ours := keyOf(w.Key)
	if !ours || w.PID == os.Getpid() {
		return agent.Hint{}, false
	}
	h := agent.Hint{Keys: []sysctl.Key{key}}
	if w.NetNS == netns {
		t := agent.AuditRecord{Time: w.Time, Subject: agent.SubjectOf(key), Old: w.Old, New: w.New, By: agent.Actor{PID: w.PID}}
		if w.UID >= 0 {
			t.By.UID, t.By.Comm = w.UID, w.Comm
		}
		h.Audit = []agent.AuditRecord{t}
	}
	return h, true
}

// keyOf reads net/ipv4/conf/SCOPE/NAME.
func keyOf(path string) (sysctl.Key, bool) {
	rest, ok := strings.CutPrefix(path, "net/ipv4/conf/")
	scope, name, cut := strings.Cut(rest, "/")
	return sysctl.Key{Scope: scope, Name: name}, ok && cut && slices.Contains(sysctl.Names, name)
}

// namespaceNumber returns the inode of the calling thread's network namespace.
func namespaceNumber() uint64 {
	var st unix.Stat_t
	if unix.Stat("/proc/thread-self/ns/net", &st) != nil {
		return 0
	}
	return st.Ino
}

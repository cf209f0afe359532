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

// An AuditStatus is what the audit can see.
type AuditStatus struct {
	Source      string // "bpf", or "" if writes to settings are not seen
	NamesWriter bool   // whether their writer is named
	// BetterErr says why writes are not seen, or not with everything about the
	// writer; nil if they are.
	BetterErr error
	// AddrActors says whether it is known who changes addresses and takes devices
	// down, and AddrErr why not.
	AddrActors bool
	AddrErr    error
}

// WithAudit makes Watch give hints for writes to settings as well, of which the
// kernel announces only some, and say who wrote, and who changed addresses and
// devices. How much of that is possible depends on the privileges of this process:
// onStatus gets it, from another goroutine, once, and again if the audit ends.
func WithAudit(onStatus func(AuditStatus)) Option {
	return func(k *Host) { k.onStatus = onStatus }
}

// recheckDelay is how long after a write the setting is read a second time: the
// audit reports a write just before it happens.
const recheckDelay = 5 * time.Millisecond

// runAudit follows writes until ctx ends. It is called in the network namespace
// that is watched.
func (k *Host) runAudit(ctx context.Context, box *agent.Mailbox) {
	netns := namespaceNumber()
	go func() {
		addrErr := k.openRequesters(ctx, netns)
		status := AuditStatus{AddrActors: addrErr == nil, AddrErr: addrErr}
		writes, err := audit.OpenWrites(audit.Options{Batch: true})
		if err != nil {
			status.BetterErr = err
			k.onStatus(status)
			return
		}
		defer writes.Close()
		k.authors.set(writes.Flush)
		defer k.authors.set(nil)
		seen := status
		seen.Source, seen.NamesWriter, seen.BetterErr = "bpf", writes.NamesWriter(), writes.BetterErr()
		k.onStatus(seen)
		err = writes.Run(ctx, func(w audit.Write) {
			if h, ours := written(w, netns); ours {
				k.onWrite(h, box)
			}
		}, func() { box.Post(everything) })
		if err != nil {
			status.BetterErr = err
			k.onStatus(status)
		}
	}()
}

// onWrite passes on a write. What the kernel announces itself it says of our
// network namespace alone and when it is done, so that of such a write only its
// author is news.
func (k *Host) onWrite(h agent.Hint, box *agent.Mailbox) {
	key := h.Keys[0]
	if isAnnounced(key) {
		if len(h.Audit) > 0 {
			k.suspect(key, h, box) // a value that was there already is not announced
		}
		return
	}
	k.suspect(key, h, box)
	time.AfterFunc(recheckDelay, func() { k.suspect(key, agent.Hint{Keys: h.Keys}, box) })
}

// suspect has a setting looked at. The hint comes before the disturbance: what a
// reading counts as announced must have been posted, see agent.Loop.
func (k *Host) suspect(key sysctl.Key, h agent.Hint, box *agent.Mailbox) {
	k.ground.suspect(key)
	box.Post(h)
	k.reflexes.disturbed()
}

// openRequesters records who changes addresses and devices, until ctx ends.
func (k *Host) openRequesters(ctx context.Context, netns uint64) error {
	requesters, err := audit.OpenRequesters(netns)
	if err != nil {
		return err
	}
	k.requesters.Store(requesters)
	context.AfterFunc(ctx, func() { _ = requesters.Close() })
	return nil
}

// written turns a write into a hint. Our own are none. The writer is named only if
// it is in our network namespace: as a rule a write from elsewhere is not about us,
// but a setting belongs to the namespace in which its file was opened, and the
// writer may have left that since.
func written(w audit.Write, netns uint64) (agent.Hint, bool) {
	key, ours := keyOf(w.Key)
	if !ours || w.PID == os.Getpid() {
		return agent.Hint{}, false
	}
	h := agent.Hint{Keys: []sysctl.Key{key}}
	if w.NetNS == netns {
		h.Audit = []agent.AuditRecord{{Time: w.Time, Subject: agent.SubjectOf(key), Old: w.Old, New: w.New, By: actor(w.Actor)}}
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

// Package audit tells at once when somebody writes one of the sysctls that
// decide the fate of tunnelled packets, and who it was. The kernel announces
// none of that over netlink, except for rp_filter, of which it says all but who
// it was: see Patient in [Options].
//
// There are two ways to know, and [Open] takes the best that is permitted:
//
//	bpf       a BPF program at the root of all cgroups. It sees every write by
//	          any process on the host, through any procfs, with the old and the
//	          new value, and tells of it just before it happens.
//	fanotify  a mark on /proc. It sees what goes through this very procfs (a
//	          container has one of its own) and tells of it just after it
//	          happened: the writer, if it is still there, but no values.
//
// Neither sees what needs no write to a file: a value set over netlink
// (IFLA_INET_CONF), or a device that follows conf/default. So a tracer gives
// hints and names; the reading of the kernel stays the truth.
package audit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Write is one write to a sysctl, or the attempt: where something else
// refuses or changes it on its way (another BPF program, a value out of
// range), it is told as it was asked for.
type Write struct {
	Time time.Time
	Key  string // below /proc/sys, with slashes: net/ipv4/conf/all/rp_filter
	// Old and New are without the white space around them and cut after 63
	// bytes, "" if not known, as with fanotify.
	Old, New string
	// PID is the writer's: with bpf in the host's PID namespace, with fanotify
	// in ours; 0 if not known.
	PID int
	UID int // the writer's real user ID, in the host's user namespace with bpf; -1 if not known
	// Comm is the name of the writer's thread (bpf) or of its process
	// (fanotify, when we looked), at most 15 bytes; "" if not known.
	Comm  string
	NetNS uint64 // inode of the writer's network namespace, 0 if not known
}

// Options of Open.
type Options struct {
	Only   string // "bpf" or "fanotify": that way or none; "" takes what there is
	Buffer int    // bytes between the kernel and us, with bpf: a power of two and of pages; 0 means 256 KiB
	// Patient leaves writes to rp_filter and forwarding, which the kernel
	// announces itself, where they are, with bpf, until Fetch is called,
	// another write comes, or there are many. Waking for each of a hundred
	// writes a second costs more than all the rest.
	Patient bool
}

// A Source delivers writes. It is safe for concurrent use, but only one Run at
// a time.
type Source struct {
	name       string
	attributes bool
	degraded   error
	tracer
}

// A tracer is one way to know.
type tracer interface {
	Run(ctx context.Context, write func(Write), lost func()) error
	Fetch()
	Close() error
}

// Open begins to listen: what is written from now on is delivered by
// [Source.Run]. It changes nothing on the host that outlives the process, and
// demands nothing: bpf needs CAP_BPF, CAP_NET_ADMIN and, to name the writer,
// CAP_PERFMON; fanotify needs CAP_SYS_ADMIN. The error says what stood in
// each way; errors.Is(err, os.ErrPermission) holds if it was a privilege.
func Open(o Options) (*Source, error) {
	ways := []struct {
		name string
		open func(Options) (*Source, error)
	}{{"bpf", openBPF}, {"fanotify", openFanotify}}
	var refused []error
	for _, way := range ways {
		if o.Only != "" && o.Only != way.name {
			continue
		}
		s, err := way.open(o)
		if err == nil {
			s.name, s.degraded = way.name, errors.Join(append(refused, s.degraded)...)
			return s, nil
		}
		refused = append(refused, fmt.Errorf("%s: %w", way.name, err))
	}
	if refused == nil {
		return nil, fmt.Errorf("%s: no such source of writes", o.Only)
	}
	return nil, errors.Join(refused...)
}

// Name is "bpf" or "fanotify".
func (s *Source) Name() string { return s.name }

// Attributes reports whether writes carry the PID and, as far as it can be
// known, the name of their writer.
func (s *Source) Attributes() bool { return s.attributes }

// Degraded says which better ways were tried and what refused them; nil if
// there is no better one.
func (s *Source) Degraded() error { return s.degraded }

// Run calls write for every write to a sysctl under net/ipv4/conf and to
// net/ipv4/ip_forward, in their order, our own included; and lost when some
// may have been missed. It returns nil when ctx ends, and an error when the
// source fails or is closed ([os.ErrClosed]).
//
// With fanotify, writes of one process to one key come as one if nobody
// fetched them in between, and one that opens the file with O_TRUNC, as
// shells do, may come as two.
func (s *Source) Run(ctx context.Context, write func(Write), lost func()) error {
	return s.tracer.Run(ctx, write, lost)
}

// Fetch makes Run tell of the writes so far, see [Options].Patient.
func (s *Source) Fetch() { s.tracer.Fetch() }

// Close stops listening and leaves nothing behind in the kernel.
func (s *Source) Close() error { return s.tracer.Close() }

package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

// settle is when to look once more for losses after the ring was found empty:
// the program counts one a moment after it found no room.
const settle = 100 * time.Millisecond

// Options of OpenWrites.
type Options struct {
	// Batch leaves writes to rp_filter and forwarding, which the kernel
	// announces itself, where they are until Flush is called, another write
	// comes, or the buffer is half full.
	Batch  bool
	Buffer int // bytes between the kernel and us, a power of two and of pages; 0 means 256 KiB
}

// Writes delivers the writes to net.ipv4.conf.* and net.ipv4.ip_forward.
type Writes struct {
	named   bool
	better  error
	objects writeObjects
	link    *link.RawLink
	ring    *ringbuf.Reader
	lost    uint64 // as Run last saw it
}

// writeObjects is what of audit.c is loaded for them.
type writeObjects struct {
	Sysctl *ebpf.Program  `ebpf:"rsagent_sysctl"`
	Ring   *ebpf.Map      `ebpf:"writes"`
	Lost   *ebpf.Variable `ebpf:"lost"`
}

// OpenWrites begins to record: what is written from now on is delivered by
// [Writes.Run]. errors.Is(err, os.ErrPermission) holds if a privilege is missing.
func OpenWrites(o Options) (*Writes, error) {
	root, err := cgroupRoot()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	w := &Writes{}
	if err := w.load(o); err != nil {
		return nil, err
	}
	if w.ring, err = ringbuf.NewReader(w.objects.Ring); err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("ring buffer: %w", err)
	}
	// A link ends with the process at the latest; BPF_PROG_ATTACH would stay.
	w.link, err = link.AttachRawLink(link.RawLinkOptions{
		Target: int(root.Fd()), Program: w.objects.Sysctl, Attach: ebpf.AttachCGroupSysctl,
	})
	if err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("attach: %w", err)
	}
	return w, nil
}

// variants are the sysctl programs in audit.c, the one that tells most first.
var variants = []struct {
	program, tells string
	named          bool
}{
	{auditProgRsagentSysctl, "writer and network namespace", true},
	{auditProgRsagentSysctlHelpers, "writer", true},
	{auditProgRsagentSysctlUser, "user", false},
}

// load loads the first variant that this kernel and these privileges allow. What
// refuses the last one refuses all.
func (w *Writes) load(o Options) error {
	var refused []error
	for _, v := range variants {
		err := load(&w.objects, func(s *ebpf.CollectionSpec) error { return o.prepare(s, v.program) })
		if err == nil {
			w.named, w.better = v.named, errors.Join(refused...)
			return nil
		}
		refused = append(refused, fmt.Errorf("%s: %w", v.tells, err))
	}
	return refused[len(refused)-1]
}

// prepare puts a variant into the place of the first one, and the options into
// effect.
func (o Options) prepare(s *ebpf.CollectionSpec, program string) error {
	s.Programs[auditProgRsagentSysctl] = s.Programs[program]
	ring := s.Maps[auditMapWrites]
	if o.Buffer != 0 {
		ring.MaxEntries = uint32(o.Buffer)
	}
	if !o.Batch {
		return nil
	}
	return s.Variables[auditVarBatchBytes].Set(ring.MaxEntries / 2)
}

// NamesWriter reports whether writes carry the PID and the name of their writer.
func (w *Writes) NamesWriter() bool { return w.named }

// BetterErr says what would tell more of the writer and what refused it; nil if
// nothing would.
func (w *Writes) BetterErr() error { return w.better }

// Run calls write for each write, in their order, our own included, and lost when
// some were lost: the buffer was full. It returns nil when ctx ends, and an error
// when it fails or w is closed ([os.ErrClosed]). One Run at a time.
func (w *Writes) Run(ctx context.Context, write func(Write), lost func()) error {
	stop := context.AfterFunc(ctx, w.Flush)
	defer stop()
	w.ring.SetDeadline(time.Now())
	var record ringbuf.Record
	for ctx.Err() == nil {
		err := w.ring.ReadInto(&record)
		switch {
		case errors.Is(err, ringbuf.ErrFlushed):
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.ring.SetDeadline(time.Time{})
		case err != nil:
			return err
		default:
			if got, err := decodeWrite(record.RawSample, clock); err != nil {
				lost()
			} else {
				write(got)
			}
			if record.Remaining > 0 {
				continue
			}
			w.ring.SetDeadline(time.Now().Add(settle))
		}
		if err := w.reportLost(lost); err != nil {
			return err
		}
	}
	return nil
}

// reportLost calls lost if the ring was full since it was last asked.
func (w *Writes) reportLost(lost func()) error {
	var n uint64
	if err := w.objects.Lost.Get(&n); err != nil {
		return fmt.Errorf("lost writes: %w", err)
	}
	if n != w.lost {
		w.lost = n
		lost()
	}
	return nil
}

// Flush makes Run deliver the writes so far, see [Options].Batch.
func (w *Writes) Flush() { _ = w.ring.Flush() }

// Close ends the recording.
func (w *Writes) Close() error {
	var errs []error
	if w.link != nil {
		errs = append(errs, w.link.Close())
	}
	if w.ring != nil {
		errs = append(errs, w.ring.Close())
	}
	return errors.Join(append(errs, _AuditClose(w.objects.Sysctl, w.objects.Ring))...)
}

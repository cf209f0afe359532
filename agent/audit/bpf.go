package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// ringBytes is room for a thousand writes that nobody fetched yet.
const ringBytes = 256 << 10

// settle is when to look once more for losses after the ring was found empty:
// the program counts one a moment after it found no room.
const settle = 100 * time.Millisecond

type bpfTracer struct {
	objects *ebpf.Collection
	link    *link.RawLink
	ring    *ringbuf.Reader
	missed  uint64 // as last seen by Run
}

func openBPF(o Options) (*Source, error) {
	root, err := cgroupRoot()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if o.Buffer == 0 {
		o.Buffer = ringBytes
	}
	s := &Source{}
	objects, err := s.load(o)
	// Reading the kernel's types leaves garbage that an idle process keeps: a
	// bare program that did it has 19.8 MB resident, and 9.0 MB after this.
	debug.FreeOSMemory()
	if err != nil {
		return nil, err
	}
	s.tracer, err = attach(root, objects)
	if err != nil {
		objects.Close()
		return nil, err
	}
	return s, nil
}

// load tries the variants of the program, the most telling one first.
func (s *Source) load(o Options) (*ebpf.Collection, error) {
	var refused []error
	for _, variant := range []struct {
		name  string
		names bool // the writer
		who   func() (asm.Instructions, error)
	}{
		{"writer and network namespace", true, func() (asm.Instructions, error) {
			l, err := kernelLayout()
			return byTask(l), err
		}},
		{"writer", true, func() (asm.Instructions, error) { return byHelpers(), nil }},
		{"user", false, func() (asm.Instructions, error) { return nil, nil }},
	} {
		objects, err := loadVariant(variant.who, o)
		if err == nil {
			s.attributes, s.degraded = variant.names, errors.Join(refused...)
			return objects, nil
		}
		refused = append(refused, fmt.Errorf("%s: %w", variant.name, err))
	}
	return nil, refused[len(refused)-1] // what refuses the least demanding one refuses the others too
}

func loadVariant(who func() (asm.Instructions, error), o Options) (*ebpf.Collection, error) {
	writer, err := who()
	if err != nil {
		return nil, err
	}
	var objects *ebpf.Collection
	err = withMemlock(func() (err error) {
		objects, err = ebpf.NewCollection(specOf(writer, o))
		return err
	})
	return objects, err
}

// withMemlock runs load again without a limit on locked memory if it is not
// permitted with one, and puts the limit back. Before Linux 5.11 programs and
// maps count as locked memory, of which a service has 64 KiB. The library's
// rlimit package is no choice: it makes maps when a program starts, whether
// that program traces anything or not.
func withMemlock(load func() error) error {
	err := load()
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	var old unix.Rlimit
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if unix.Prlimit(0, unix.RLIMIT_MEMLOCK, &unlimited, &old) != nil {
		return err
	}
	defer func() { _ = unix.Prlimit(0, unix.RLIMIT_MEMLOCK, &old, nil) }() // lowering is always permitted
	return load()
}

// attach makes a link, which ends with the process at the latest, and never
// anything that would stay (BPF_PROG_ATTACH).
func attach(root *os.File, objects *ebpf.Collection) (tracer, error) {
	ring, err := ringbuf.NewReader(objects.Maps[eventsName])
	if err != nil {
		return nil, fmt.Errorf("ring buffer: %w", err)
	}
	l, err := link.AttachRawLink(link.RawLinkOptions{
		Target:  int(root.Fd()),
		Program: objects.Programs[programName],
		Attach:  ebpf.AttachCGroupSysctl,
	})
	if err != nil {
		_ = ring.Close()
		return nil, fmt.Errorf("attach: %w", err)
	}
	return &bpfTracer{objects: objects, link: l, ring: ring}, nil
}

func (b *bpfTracer) Close() error {
	err := errors.Join(b.link.Close(), b.ring.Close())
	b.objects.Close()
	return err
}

func (b *bpfTracer) Fetch() { _ = b.ring.Flush() }

func (b *bpfTracer) Run(ctx context.Context, write func(Write), lost func()) error {
	stop := context.AfterFunc(ctx, func() { _ = b.ring.Flush() })
	defer stop()
	b.ring.SetDeadline(time.Now())
	var record ringbuf.Record
	for ctx.Err() == nil {
		err := b.ring.ReadInto(&record)
		switch {
		case errors.Is(err, ringbuf.ErrFlushed):
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			b.ring.SetDeadline(time.Time{})
		case err != nil:
			return err
		default:
			if w, err := decode(record.RawSample, clock); err != nil {
				lost()
			} else {
				write(w)
			}
			if record.Remaining > 0 {
				continue
			}
			b.ring.SetDeadline(time.Now().Add(settle))
		}
		if err := b.tellMissed(lost); err != nil {
			return err
		}
	}
	return nil
}

// tellMissed calls lost if the ring was full since it was last asked.
func (b *bpfTracer) tellMissed(lost func()) error {
	var n uint64
	if err := b.objects.Maps[missedName].Lookup(uint32(0), &n); err != nil {
		return fmt.Errorf("missed writes: %w", err)
	}
	if n != b.missed {
		b.missed = n
		lost()
	}
	return nil
}

// clock tells what time it was at an instant of CLOCK_MONOTONIC.
func clock(ns uint64) time.Time {
	var mono unix.Timespec
	now := time.Now()
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil {
		return now
	}
	return now.Add(time.Duration(int64(ns) - mono.Nano()))
}

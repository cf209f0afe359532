package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

type fanTracer struct{ events *os.File }

// openFanotify listens to every modification in /proc: the filesystem is what
// can be marked without losing the mark when the kernel forgets a directory.
func openFanotify(Options) (*Source, error) {
	fd, err := unix.FanotifyInit(
		unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK,
		unix.O_RDONLY|unix.O_CLOEXEC|unix.O_LARGEFILE|unix.O_NONBLOCK,
	)
	if err != nil {
		return nil, fmt.Errorf("fanotify_init: %w", err)
	}
	events := os.NewFile(uintptr(fd), "fanotify")
	err = unix.FanotifyMark(fd, unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, unix.FAN_MODIFY, unix.AT_FDCWD, "/proc")
	if err != nil {
		_ = events.Close()
		return nil, fmt.Errorf("fanotify_mark /proc: %w", err)
	}
	return &Source{attributes: true, tracer: &fanTracer{events}}, nil
}

// Fetch does nothing: nothing waits.
func (f *fanTracer) Fetch() {}

func (f *fanTracer) Close() error { return f.events.Close() }

func (f *fanTracer) Run(ctx context.Context, write func(Write), lost func()) error {
	if err := f.events.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = f.events.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, 4096)
	for ctx.Err() == nil {
		n, err := f.events.Read(buf)
		switch {
		case err == nil:
			for _, e := range parseEvents(buf[:n]) {
				e.tell(write, lost)
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM):
			lost()
		case errors.Is(err, os.ErrClosed), errors.Is(err, unix.EBADF), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EFAULT):
			return err
		default:
			// The file of this event could not be opened for us: it may only be
			// written, or is gone. Keys that we watch can be read.
		}
	}
	return nil
}

// An event is what fanotify says: who modified which file.
type event struct {
	mask uint64
	fd   int // ours to close; negative if there is none
	pid  int // 0 if it is not in our PID namespace
}

// eventLen is the size of a struct fanotify_event_metadata.
const eventLen = 24

// parseEvents takes apart what one read gave.
func parseEvents(buf []byte) []event {
	var events []event
	order := binary.NativeEndian
	for len(buf) >= eventLen {
		length := int(order.Uint32(buf))
		if length < eventLen || length > len(buf) {
			break
		}
		events = append(events, event{
			mask: order.Uint64(buf[8:]),
			fd:   int(int32(order.Uint32(buf[16:]))),
			pid:  int(int32(order.Uint32(buf[20:]))),
		})
		buf = buf[length:]
	}
	return events
}

// tell passes on an event if it is about a watched key.
func (e event) tell(write func(Write), lost func()) {
	if e.fd >= 0 {
		defer unix.Close(e.fd)
	}
	if e.mask&unix.FAN_Q_OVERFLOW != 0 {
		lost()
		return
	}
	path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(e.fd))
	if err != nil {
		lost()
		return
	}
	if key, ok := keyOf(path); ok {
		w := Write{Time: time.Now(), Key: key, PID: e.pid, UID: -1}
		w.identify()
		write(w)
	}
}

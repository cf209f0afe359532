package linux

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"rsagent/agent/statedir"
)

// ErrLocked is what a LockedError is.
var ErrLocked = errors.New("locked")

// A LockedError is returned by Lock while another process holds the lock.
type LockedError struct {
	PID int // 0 if it cannot be seen from here
}

func (e LockedError) Error() string {
	if e.PID == 0 {
		return "locked by another process"
	}
	return fmt.Sprintf("locked by process %d", e.PID)
}

// Is reports whether the target is ErrLocked.
func (e LockedError) Is(target error) bool { return target == ErrLocked }

// Lock takes the state directory for a process that changes the host, for as
// long as it does. It does not wait: if another process holds the lock the
// error is a LockedError. The lock ends with the process, whatever ends it.
//
// A disk that is full or read-only is no obstacle. If the file to lock cannot
// even be made there, nothing is locked: to exclude another rsagent is worth
// less than to have the VIPs in place.
func Lock(dir string) (release func(), err error) { return flock(dir, "lock") }

func flock(dir, name string) (release func(), err error) {
	err = statedir.Make(dir)
	var f *os.File
	if err == nil {
		f, err = statedir.Open(dir, name)
	}
	if statedir.Full(err) {
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		// Only to say who holds it, see holder. It may fail.
		_ = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_RDLCK})
		return func() { _ = f.Close() }, nil
	}
	pid := holder(f)
	_ = f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, LockedError{pid}
	}
	return nil, fmt.Errorf("state: lock: %w", err)
}

// holder returns the process that holds the lock, or 0. The kernel tells it of
// a lock by fcntl(2), which ends with the process as one by flock(2) does, but
// not of the latter.
func holder(f *os.File) int {
	query := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &query); err != nil || query.Type == unix.F_UNLCK {
		return 0
	}
	return max(int(query.Pid), 0)
}

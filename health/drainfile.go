package health

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"

	"rsagent/agent/statedir"
)

// DrainFile is the name of the drain's file in the state directory.
const DrainFile = "drain.json"

// maxDrainFile bounds what is read of it.
const maxDrainFile = 16 << 10

// WriteDrain drains the host, replacing any drain there is. It is atomic, and
// durable when it returns: a reader or a crash sees the old file or the new.
// The directory is made if need be.
func WriteDrain(dir string, d Drain) error {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	if err := statedir.Make(dir); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	return locked(dir, func(*os.File) error {
		return statedir.Replace(dir, DrainFile, append(b, '\n'))
	})
}

// ClearDrain ends the drain, whatever the file holds. It is idempotent.
func ClearDrain(dir string) error {
	err := locked(dir, func(d *os.File) error { return remove(dir, d) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// clearExpired removes the file if its drain is over. One written in the same
// moment stays.
func clearExpired(dir string, now time.Time) error {
	return locked(dir, func(d *os.File) error {
		if _, expired := readDrain(dir, now); !expired {
			return nil
		}
		return remove(dir, d)
	})
}

// ReadDrain returns the state at now. Without a file the host is not drained,
// and after the end of the drain neither; a file that cannot be read or
// understood means drained, and the reason says so.
func ReadDrain(dir string, now time.Time) DrainState {
	s, _ := readDrain(dir, now)
	return s
}

func readDrain(dir string, now time.Time) (s DrainState, expired bool) {
	path := filepath.Join(dir, DrainFile)
	b, err := readSmall(path, maxDrainFile)
	if errors.Is(err, fs.ErrNotExist) {
		return DrainState{}, false
	}
	if err != nil {
		return corrupt(path, cause(err)), false
	}
	d, err := parseDrain(b)
	if err != nil {
		return corrupt(path, err.Error()), false
	}
	if d.expired(now) {
		return DrainState{}, true
	}
	return DrainState{Draining: true, Drain: d}, false
}

// parseDrain is total. Unknown keys are left to later versions.
func parseDrain(b []byte) (Drain, error) {
	var d *Drain
	if err := json.Unmarshal(b, &d); err != nil {
		return Drain{}, fmt.Errorf("not the JSON of a drain: %w", err)
	}
	switch {
	case d == nil:
		return Drain{}, errors.New("empty")
	case d.Since.IsZero():
		return Drain{}, errors.New("no time of its beginning")
	case !d.Until.IsZero() && d.Until.Before(d.Since):
		return Drain{}, errors.New("it ends before it begins")
	}
	d.Reason = printable(d.Reason, MaxReason)
	return *d, nil
}

// printable returns s on one line, with at most n characters.
func printable(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}

// readSmall reads a regular file of bounded size, and never waits for one.
func readSmall(path string, most int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("larger than %d bytes", most)
	}
	return b, err
}

// cause leaves out the path, which is said already.
func cause(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// locked runs f while no other program changes the drain.
func locked(dir string, f func(*os.File) error) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	defer d.Close() // and with it the lock
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("drain: lock %s: %w", dir, err)
	}
	if err := f(d); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	return nil
}

func remove(dir string, d *os.File) error {
	if err := os.Remove(filepath.Join(dir, DrainFile)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return d.Sync()
}

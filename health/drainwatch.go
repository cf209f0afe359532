package health

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	// drainPoll is how often the drain file is looked at where nothing is heard
	// of it: a stat of one file, against a promise of 100 ms.
	drainPoll = 80 * time.Millisecond
	// drainLook is how often it is looked at all the same. The kernel tells what
	// it does itself, and not what another host does on a shared file system.
	drainLook = 5 * time.Second
)

// drainWatch follows the drain file. It reads only what has changed.
type drainWatch struct {
	dir   string
	info  fs.FileInfo // of the file that state was read from; nil for none
	state DrainState
}

// look returns the state at now. A file whose drain is over is removed.
func (w *drainWatch) look(now time.Time) DrainState {
	if w.dir == "" {
		return DrainState{}
	}
	info, err := os.Stat(filepath.Join(w.dir, DrainFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.info, w.state = nil, DrainState{}
		return w.state
	case err == nil && w.state.Corrupt == "" && same(info, w.info):
	default:
		// What cannot be read may become readable without a change to it.
		w.info, w.state = info, ReadDrain(w.dir, now)
	}
	if s := w.state.at(now); s.Draining {
		return s
	}
	w.info, w.state = nil, DrainState{}
	// If it cannot be removed it is still over, and is tried again.
	_ = clearExpired(w.dir, now)
	return w.state
}

// next returns when to look again, given whether changes are heard of.
func (w *drainWatch) next(now time.Time, heard bool) time.Time {
	at := now.Add(drainLook)
	switch {
	case w.dir == "":
	case !heard, w.state.Corrupt != "":
		at = now.Add(drainPoll)
	case w.state.Draining && !w.state.Until.IsZero() && w.state.Until.Before(at):
		at = w.state.Until
	}
	return at
}

func same(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

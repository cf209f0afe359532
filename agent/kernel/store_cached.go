package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/agent/statedir"
)

// A CachedStore is a FileStore for one network namespace and one goroutine, to
// which it costs a system call to find its record unchanged, and two to hold
// the directory: they lie between a tampering and its repair. Its files stay
// open, since to look their names up would take most of the time.
type CachedStore struct {
	store FileStore
	path  string
	base  agent.Baseline
	file  *os.File // of base; nil if base is not known to be what is there
	stamp stamp
	lock  *os.File
}

// A stamp changes with the file.
type stamp struct {
	size    int64
	changed unix.Timespec
}

var _ agent.Store = (*CachedStore)(nil)

// Cached returns a CachedStore for the network namespace of the calling thread.
func (s FileStore) Cached() *CachedStore { return &CachedStore{store: s, path: s.path()} }

// Load returns what FileStore.Load would.
func (c *CachedStore) Load() (agent.Baseline, error) {
	if now, there := stampOf(c.file); there && now == c.stamp {
		return c.base, nil
	}
	c.forget()
	f, err := os.Open(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return agent.Baseline{}, nil
	}
	stamp, there := stampOf(f)
	base, loadErr := c.store.Load()
	if !there || loadErr != nil || base.Lost {
		_ = f.Close()
		return base, loadErr
	}
	c.base, c.file, c.stamp = base, f, stamp // written meanwhile, it has another stamp
	return base, nil
}

// stampOf reports false for what is not open, or is no longer the file of its
// name: it is always replaced as a whole, see Save.
func stampOf(f *os.File) (stamp, bool) {
	var st unix.Stat_t
	if f == nil || unix.Fstat(int(f.Fd()), &st) != nil || st.Nlink == 0 {
		return stamp{}, false
	}
	return stamp{st.Size, st.Ctim}, true
}

func (c *CachedStore) forget() {
	if c.file != nil {
		_ = c.file.Close()
	}
	c.file, c.base = nil, agent.Baseline{}
}

// Save replaces the record.
func (c *CachedStore) Save(b agent.Baseline) error {
	c.forget()
	return c.store.Save(b)
}

// Hold takes the same lock as FileStore.Hold.
func (c *CachedStore) Hold(ctx context.Context) (release func(), err error) {
	deadline := time.Now().Add(holdLimit)
	for {
		err := c.tryHold()
		if err == nil {
			return func() { _ = unix.Flock(int(c.lock.Fd()), unix.LOCK_UN) }, nil
		}
		if !errors.Is(err, ErrLocked) || ctx.Err() != nil || time.Now().After(deadline) {
			return nil, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (c *CachedStore) tryHold() error {
	if err := c.openLock(); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	err := unix.Flock(int(c.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%w by another process", ErrLocked)
	}
	if err != nil {
		return fmt.Errorf("state: lock: %w", err)
	}
	return nil
}

// openLock makes sure that the lock is on the file that others find.
func (c *CachedStore) openLock() error {
	if _, there := stampOf(c.lock); there {
		return nil
	}
	if err := statedir.Make(c.store.Dir); err != nil {
		return err
	}
	f, err := statedir.Open(c.store.Dir, passLock)
	if err != nil {
		return err
	}
	if c.lock != nil {
		_ = c.lock.Close()
	}
	c.lock = f
	return nil
}

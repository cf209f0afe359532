package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	base  agent.Baseline
	file  kept // of base
	stamp stamp
	lock  kept
}

// A kept is a file that stays open.
type kept struct {
	*os.File // nil if none is
	name     string
	looked   time.Time // when the name last led to it
}

// lookUp is how often the name of an open file is looked up. One that is
// replaced or removed is known at once; its directory may have been moved.
const lookUp = time.Second

// A stamp changes with the file.
type stamp struct {
	size    int64
	changed unix.Timespec
}

var _ agent.Store = (*CachedStore)(nil)

// Cached returns a CachedStore for the network namespace of the calling thread.
func (s FileStore) Cached() *CachedStore {
	return &CachedStore{store: s, file: kept{name: s.path()}, lock: kept{name: filepath.Join(s.Dir, passLock)}}
}

// Load returns what FileStore.Load would.
func (c *CachedStore) Load() (agent.Baseline, error) {
	if now, there := c.file.stamp(); there && now == c.stamp {
		return c.base, nil
	}
	c.forget()
	f, err := os.Open(c.file.name)
	if errors.Is(err, fs.ErrNotExist) {
		return agent.Baseline{}, nil
	}
	c.file.File = f
	stamp, there := c.file.stamp()
	base, loadErr := c.store.Load()
	if !there || loadErr != nil || base.Lost {
		c.forget()
		return base, loadErr
	}
	c.base, c.stamp = base, stamp // written meanwhile, it has another stamp
	return base, nil
}

func (c *CachedStore) forget() {
	c.file.close()
	c.base = agent.Baseline{}
}

// stamp reports false for what is not open, or is no longer the file of its
// name.
func (k *kept) stamp() (stamp, bool) {
	var open, named unix.Stat_t
	if k.File == nil || unix.Fstat(int(k.Fd()), &open) != nil || open.Nlink == 0 {
		return stamp{}, false
	}
	if now := time.Now(); now.Sub(k.looked) >= lookUp {
		if unix.Stat(k.name, &named) != nil || named.Ino != open.Ino || named.Dev != open.Dev {
			return stamp{}, false
		}
		k.looked = now
	}
	return stamp{open.Size, open.Ctim}, true
}

func (k *kept) close() {
	if k.File != nil {
		_ = k.Close()
	}
	k.File, k.looked = nil, time.Time{}
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
	if _, there := c.lock.stamp(); there {
		return nil
	}
	if err := statedir.Make(c.store.Dir); err != nil {
		return err
	}
	f, err := statedir.Open(c.store.Dir, passLock)
	if err != nil {
		return err
	}
	c.lock.close()
	c.lock.File = f
	return nil
}

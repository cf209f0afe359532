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
// the directory: they lie between a tampering and its repair.
type CachedStore struct {
	store FileStore
	path  string
	base  agent.Baseline
	stamp stamp
	lock  *os.File
	held  string      // its path
	at    unix.Stat_t // which file it is
}

// A stamp changes with the file.
type stamp struct {
	inode, size int64
	changed     unix.Timespec
}

var _ agent.Store = (*CachedStore)(nil)

// Cached returns a CachedStore for the network namespace of the calling thread.
func (s FileStore) Cached() *CachedStore {
	return &CachedStore{store: s, path: s.path(), held: filepath.Join(s.Dir, passLock)}
}

// Load returns what FileStore.Load would.
func (c *CachedStore) Load() (agent.Baseline, error) {
	now, err := stampOf(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		c.stamp = stamp{}
		return agent.Baseline{}, nil
	}
	if err == nil && now == c.stamp {
		return c.base, nil
	}
	c.stamp = stamp{}
	base, loadErr := c.store.Load()
	if err == nil && loadErr == nil && !base.Lost {
		c.base, c.stamp = base, now // written meanwhile, it has another stamp
	}
	return base, loadErr
}

func stampOf(path string) (stamp, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return stamp{}, err
	}
	return stamp{int64(st.Ino), st.Size, st.Ctim}, nil
}

// Save replaces the record.
func (c *CachedStore) Save(b agent.Baseline) error {
	c.stamp = stamp{}
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
	var there unix.Stat_t
	if c.lock != nil && unix.Stat(c.held, &there) == nil && there.Ino == c.at.Ino && there.Dev == c.at.Dev {
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
	return unix.Fstat(int(f.Fd()), &c.at)
}

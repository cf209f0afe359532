package linux

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/agent/statedir"
)

// A CachedStore is a FileStore for one network namespace and, but for Try, one
// goroutine, to which it costs a system call to find its record unchanged, and
// two to hold the directory: they lie between a tampering and its repair. Its
// files stay open, since to look their names up would take most of the time.
type CachedStore struct {
	store FileStore
	mu    sync.Mutex // of the record, for Try
	base  agent.Baseline
	file  kept // of base
	stamp stamp
	lock  kept // of Hold
	try   kept // of Try, which is another user of the lock
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
	lock := filepath.Join(s.Dir, passLock)
	return &CachedStore{store: s, file: kept{name: s.path()}, lock: kept{name: lock}, try: kept{name: lock}}
}

// Load returns what FileStore.Load would.
func (c *CachedStore) Load() (agent.Baseline, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.try.stamp(lookUp); !there { // Try itself is in a hurry
		c.try.close()
	}
	if now, there := c.file.stamp(lookUp); there && now == c.stamp {
		return c.base, nil
	}
	c.forget()
	f, err := os.Open(c.file.name)
	if errors.Is(err, fs.ErrNotExist) {
		return c.store.Load()
	}
	c.file.File = f
	stamp, there := c.file.stamp(lookUp)
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
// name, which is looked up every so often.
func (k *kept) stamp(every time.Duration) (stamp, bool) {
	var open, named unix.Stat_t
	if k.File == nil || unix.Fstat(int(k.Fd()), &open) != nil || open.Nlink == 0 {
		return stamp{}, false
	}
	if now := time.Now(); now.Sub(k.looked) >= every {
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
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	return c.store.Save(b)
}

// Hold takes the same lock as FileStore.Hold.
func (c *CachedStore) Hold(ctx context.Context) (release func(), err error) {
	deadline := time.Now().Add(holdLimit)
	for {
		release, err := c.lock.flock(c.store.Dir, lookUp)
		if !errors.Is(err, ErrLocked) || ctx.Err() != nil || time.Now().After(deadline) {
			return release, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Try takes the same lock, if it is free and the record is what it was. It may
// be called from any goroutine, but the lock must be released before the next
// Load.
func (c *CachedStore) Try() (release func(), free bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	release, err := c.try.flock(c.store.Dir, 3*lookUp)
	if err != nil {
		return nil, false
	}
	if now, there := c.file.stamp(3 * lookUp); !there || now != c.stamp {
		release()
		return nil, false
	}
	return release, true
}

// flock locks the file that others find under its name in dir.
func (k *kept) flock(dir string, every time.Duration) (release func(), err error) {
	if err := k.open(dir, every); statedir.Full(err) {
		return func() {}, nil
	} else if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	err = unix.Flock(int(k.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w by another process", ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("state: lock: %w", err)
	}
	return func() { _ = unix.Flock(int(k.Fd()), unix.LOCK_UN) }, nil
}

func (k *kept) open(dir string, every time.Duration) error {
	if _, there := k.stamp(every); there {
		return nil
	}
	if err := statedir.Make(dir); err != nil {
		return err
	}
	f, err := statedir.Open(dir, filepath.Base(k.name))
	if err != nil {
		return err
	}
	k.close()
	k.File = f
	return nil
}

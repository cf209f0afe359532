package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// defaultKernel is Debian 12's.
const defaultKernel = "6.1"

// suiteOf tells in which of Debian's releases a kernel version lives.
func suiteOf(version string) (string, error) {
	switch version {
	case "5.10":
		return "bullseye", nil
	case "6.1":
		return "bookworm", nil
	case "6.12":
		return "trixie", nil
	}
	return "", fmt.Errorf("no kernel %q: choose 5.10, 6.1 or 6.12", version)
}

// kernel is an unpacked kernel package.
type kernel struct {
	version string // as asked for: 6.1
	release string // as uname -r says it
	image   string
	modules string // the folder named by release
}

// cache keeps unpacked kernels, one folder for each version. A folder of that name is complete: it was renamed into
// place. Everything else there is a lock or the rest of a run that was killed.
type cache struct {
	dir   string
	notes io.Writer
	// fetch puts a kernel of version into the empty folder dir, laid out as readKernel reads it.
	fetch func(ctx context.Context, version, suite, dir string) error
}

func newCache(notes io.Writer) (*cache, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	return &cache{dir: filepath.Join(dir, "rsagent", "lab"), notes: notes, fetch: fetchKernel}, nil
}

// kernel returns the kernel of version, and fetches it at most once, however many runs ask at the same time. It needs
// no network when the kernel is there already.
func (c *cache) kernel(ctx context.Context, version string) (kernel, error) {
	suite, err := suiteOf(version)
	if err != nil {
		return kernel{}, err
	}
	dir := filepath.Join(c.dir, version)
	if k, err := readKernel(dir, version); err == nil {
		return k, nil
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return kernel{}, err
	}
	unlock, err := lockFile(ctx, dir+".lock")
	if err != nil {
		return kernel{}, err
	}
	defer unlock()
	// Whoever held the lock before may have fetched it.
	if k, err := readKernel(dir, version); err == nil {
		return k, nil
	}
	if err := c.replace(ctx, version, suite, dir); err != nil {
		return kernel{}, fmt.Errorf("kernel %s: %w", version, err)
	}
	return readKernel(dir, version)
}

// replace clears away what killed runs left of dir and fetches it anew. The caller holds the lock.
func (c *cache) replace(ctx context.Context, version, suite, dir string) error {
	stale, err := filepath.Glob(dir + ".tmp-*")
	if err != nil {
		return err
	}
	for _, old := range append(stale, dir) {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	tmp, err := os.MkdirTemp(c.dir, version+".tmp-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	fmt.Fprintf(c.notes, "rslab: fetching kernel %s of Debian %s into %s, once\n", version, suite, c.dir)
	if err := c.fetch(ctx, version, suite, tmp); err != nil {
		return err
	}
	if _, err := readKernel(tmp, version); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

// readKernel reads dir: vmlinuz beside lib/modules/<release>.
func readKernel(dir, version string) (kernel, error) {
	k := kernel{version: version, image: filepath.Join(dir, "vmlinuz")}
	if _, err := os.Stat(k.image); err != nil {
		return kernel{}, err
	}
	entries, err := os.ReadDir(filepath.Join(dir, "lib", "modules"))
	if err != nil {
		return kernel{}, err
	}
	for _, e := range entries {
		modules := filepath.Join(dir, "lib", "modules", e.Name())
		if _, err := os.Stat(filepath.Join(modules, "modules.dep")); err == nil && strings.HasPrefix(e.Name(), version+".") {
			k.release, k.modules = e.Name(), modules
			return k, nil
		}
	}
	return kernel{}, fmt.Errorf("%s: no modules of a kernel %s", dir, version)
}

// lockFile takes an exclusive lock that ends with this process at the latest.
func lockFile(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", name, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

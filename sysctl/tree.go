package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	gosysctl "github.com/lorenzosaino/go-sysctl"
)

// DefaultRoot is where the kernel shows its settings.
const DefaultRoot = "/proc/sys"

// A Tree reads and writes the keys of one network namespace: that of the
// calling thread. The zero value uses DefaultRoot. It is safe for concurrent use.
type Tree struct {
	Root string // for tests; empty means DefaultRoot
}

// Read returns the value of a key. The error satisfies errors.Is for
// fs.ErrNotExist (no such device or key) and fs.ErrPermission.
func (t Tree) Read(k Key) (int, error) {
	c, err := t.client(k)
	if err != nil {
		return 0, err
	}
	s, err := c.Get(k.Name)
	if err != nil {
		return 0, fmt.Errorf("sysctl %s: %w", k, cause(err))
	}
	return k.parse(s)
}

// Write sets a key and reads it back: nil means that the kernel holds the
// value. A key that does not exist is fs.ErrNotExist and is never created. On
// a read-only /proc/sys the error is syscall.EROFS.
func (t Tree) Write(k Key, value int) error {
	c, err := t.client(k)
	if err != nil {
		return err
	}
	// go-sysctl opens with O_CREATE, which a plain directory would obey.
	if _, err := os.Stat(filepath.Join(t.dir(k.Scope), k.Name)); err != nil {
		return fmt.Errorf("sysctl -w %s=%d: %w", k, value, cause(err))
	}
	if err := c.Set(k.Name, strconv.Itoa(value)); err != nil {
		return fmt.Errorf("sysctl -w %s=%d: %w", k, value, cause(err))
	}
	got, err := t.Read(k)
	if err != nil {
		return err
	}
	return k.holds(value, got)
}

// client returns a go-sysctl client rooted at the device's own directory: the
// library turns every dot of a key into a slash, but leaves its root alone, so
// that eth0.100 can be addressed only like this.
func (t Tree) client(k Key) (*gosysctl.Client, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	dir := t.dir(k.Scope)
	// The library's own error hides its cause, so ask first.
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("sysctl %s: %w", k, cause(err))
	}
	return gosysctl.NewClient(dir)
}

func (t Tree) dir(scope string) string {
	root := t.Root
	if root == "" {
		root = DefaultRoot
	}
	return filepath.Join(root, "net/ipv4/conf", scope)
}

// cause strips the path from a file error: the key in front says it better.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

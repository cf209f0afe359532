package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	gosysctl "github.com/lorenzosaino/go-sysctl"
)

// DefaultRoot is where the kernel shows its settings.
const DefaultRoot = "/proc/sys"

// A Tree reads and writes the settings of one network namespace. It is safe for
// concurrent use.
//
// Below /proc/sys/net the kernel shows the settings of the thread that looks a
// path up (net_ctl_header_lookup in net/sysctl_net.c), whatever process
// /proc/sys was mounted by. A folder that is open, though, stays that of its
// namespace. So a Tree opens net/ipv4 and net/ipv6 once and reaches every key
// through these, and stays in the namespace in which it was opened: only [Open]
// has to be called on a thread that is in it. On a thread elsewhere the other
// methods work as well but become slow, since the kernel then keeps no result of
// a look-up for the next one.
type Tree struct {
	families [2]folder // by Family
}

// A folder is net/ipv4 or net/ipv6, held open.
type folder struct {
	open   *os.File
	path   string // leads through the open file
	client *gosysctl.Client
	err    error // why it is not open
}

// Open opens the settings of the calling thread's network namespace, below
// root; empty means DefaultRoot. A family that is not there, as IPv6 is not on
// some hosts, is an error of each call about it.
func Open(root string) *Tree {
	if root == "" {
		root = DefaultRoot
	}
	t := &Tree{}
	for f := range t.families {
		t.families[f] = openFolder(root + "/net/" + Family(f).String())
	}
	return t
}

func openFolder(name string) (f folder) {
	if f.open, f.err = os.Open(name); f.err != nil {
		return f
	}
	f.path = fmt.Sprintf("/proc/self/fd/%d", f.open.Fd())
	f.client, f.err = gosysctl.NewClient(f.path)
	return f
}

// Close closes the tree and changes no setting. It must not be used afterwards.
func (t *Tree) Close() error {
	var errs []error
	for _, f := range t.families {
		if f.open != nil {
			errs = append(errs, f.open.Close())
		}
	}
	return errors.Join(errs...)
}

// Read returns the value of a key. The error satisfies errors.Is for
// fs.ErrNotExist (no such device or key) and fs.ErrPermission.
func (t *Tree) Read(k Key) (int, error) {
	c, name, err := t.client(k)
	if err != nil {
		return 0, fmt.Errorf("sysctl %s: %w", k, cause(err))
	}
	return read(c, name, k.String())
}

// ReadGlobal returns the value of net.<family>.<name>, which is no device's.
// The errors are those of Read.
func (t *Tree) ReadGlobal(family Family, name string) (int, error) {
	key := "net." + family.String() + "." + name
	f := t.families[family]
	if f.err != nil {
		return 0, fmt.Errorf("sysctl %s: %w", key, cause(f.err))
	}
	return read(f.client, name, key)
}

func read(c *gosysctl.Client, name, key string) (int, error) {
	s, err := c.Get(name)
	if err != nil {
		return 0, fmt.Errorf("sysctl %s: %w", key, cause(err))
	}
	v, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("sysctl %s: value %q is not a number", key, s)
	}
	return v, nil
}

// Write sets a key and reads it back: nil means that the kernel holds the
// value. A key that does not exist is fs.ErrNotExist and is never created. On
// a read-only /proc/sys the error is syscall.EROFS.
func (t *Tree) Write(k Key, value int) error {
	if err := t.set(k, value); err != nil {
		return fmt.Errorf("sysctl -w %s=%d: %w", k, value, cause(err))
	}
	got, err := t.Read(k)
	if err != nil {
		return err
	}
	if got != value {
		return fmt.Errorf("sysctl -w %s=%d: the kernel still says %d", k, value, got)
	}
	return nil
}

func (t *Tree) set(k Key, value int) error {
	c, name, err := t.client(k)
	if err != nil {
		return err
	}
	// go-sysctl opens with O_CREATE, which a plain folder would obey.
	if _, err := os.Stat(t.families[k.Family].path + "/conf/" + k.Scope + "/" + k.Name); err != nil {
		return err
	}
	return c.Set(name, strconv.Itoa(value))
}

// client returns a go-sysctl client, and the key as it takes it. The library
// turns every dot of a key into a slash, but leaves its root alone, so that
// eth0.100 can be addressed only as the root of a client of its own.
func (t *Tree) client(k Key) (*gosysctl.Client, string, error) {
	if err := k.check(); err != nil {
		return nil, "", err
	}
	f := t.families[k.Family]
	if f.err != nil {
		return nil, "", f.err
	}
	if !strings.Contains(k.Scope, ".") {
		return f.client, "conf." + k.Scope + "." + k.Name, nil
	}
	device := f.path + "/conf/" + k.Scope
	// The library's own error hides its cause, so ask first.
	if _, err := os.Stat(device); err != nil {
		return nil, "", err
	}
	c, err := gosysctl.NewClient(device)
	return c, k.Name, err
}

// check rejects what would lead elsewhere.
func (k Key) check() error {
	switch {
	case k.Family > IPv6:
		return fmt.Errorf("no address family %d", k.Family)
	case k.Scope == "" || k.Scope == "." || k.Scope == ".." || strings.Contains(k.Scope, "/"):
		return fmt.Errorf("%q cannot be a device name", k.Scope)
	case k.Name == "" || strings.ContainsAny(k.Name, "./"):
		return fmt.Errorf("%q cannot be the name of a setting", k.Name)
	}
	return nil
}

// Get returns a setting that belongs to no network namespace, such as
// kernel.modules_disabled. The error satisfies errors.Is for fs.ErrNotExist and
// fs.ErrPermission.
func Get(key string) (string, error) {
	s, err := gosysctl.Get(key)
	if err != nil {
		return "", fmt.Errorf("sysctl %s: %w", key, cause(err))
	}
	return s, nil
}

// cause strips the path from a file error: the key in front says it better.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

package sysctl

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A Handle is an open key, for those that are read again and again: it costs a
// system call where [Tree.Read] costs a dozen. It stays with the network
// namespace and the device for which it was opened, whatever the calling
// thread is in and whatever has that name later. It is not safe for concurrent
// use.
type Handle struct {
	key     Key
	file    *os.File
	refused error // what forbids to write
	buf     [32]byte
}

// Open opens a key, for reading alone if writing is not permitted. The error
// satisfies errors.Is for fs.ErrNotExist and fs.ErrPermission.
func (t Tree) Open(k Key) (*Handle, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	name := filepath.Join(t.dir(k.Scope), k.Name)
	f, refused := os.OpenFile(name, os.O_RDWR, 0)
	if refused == nil {
		return &Handle{key: k, file: f}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("sysctl %s: %w", k, cause(err))
	}
	return &Handle{key: k, file: f, refused: cause(refused)}, nil
}

// Read returns the value. The error is fs.ErrNotExist when the device is gone.
func (h *Handle) Read() (int, error) {
	n, err := syscall.Pread(int(h.file.Fd()), h.buf[:], 0) // os.File would ask twice
	if err != nil {
		return 0, fmt.Errorf("sysctl %s: %w", h.key, err)
	}
	return h.key.parse(string(h.buf[:n]))
}

// Write sets the key and reads it back: nil means that the kernel holds the
// value. Where writing was refused when it was opened, it is refused still.
func (h *Handle) Write(value int) error {
	if h.refused != nil {
		return fmt.Errorf("sysctl -w %s=%d: %w", h.key, value, h.refused)
	}
	if _, err := syscall.Pwrite(int(h.file.Fd()), strconv.AppendInt(h.buf[:0], int64(value), 10), 0); err != nil {
		return fmt.Errorf("sysctl -w %s=%d: %w", h.key, value, err)
	}
	got, err := h.Read()
	if err != nil {
		return err
	}
	return h.key.holds(value, got)
}

// Close closes the key, and changes nothing.
func (h *Handle) Close() error { return h.file.Close() }

// check refuses a scope that would lead elsewhere.
func (k Key) check() error {
	if k.Scope == "" || k.Scope == "." || k.Scope == ".." || strings.Contains(k.Scope, "/") {
		return fmt.Errorf("sysctl %s: %q cannot be a device name", k, k.Scope)
	}
	return nil
}

func (k Key) parse(s string) (int, error) {
	v, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return 0, fmt.Errorf("sysctl %s: value %q is not a number", k, s)
	}
	return v, nil
}

// holds is the error of a value that was written and is not there.
func (k Key) holds(value, got int) error {
	if got != value {
		return fmt.Errorf("sysctl -w %s=%d: the kernel still says %d", k, value, got)
	}
	return nil
}

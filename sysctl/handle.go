package sysctl

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// A Handle is an open key, for those that are read and repaired again and
// again: it costs a system call where [Tree.Read] costs a dozen, and a write
// takes a tenth of the time that [Tree.Write] takes. It stays with the device
// for which it was opened, whatever has that name later. It is not safe for
// concurrent use.
type Handle struct {
	key     Key
	file    *os.File
	refused error // what forbids to write
	buf     [32]byte
}

// Handle opens a key, for reading alone if writing is not permitted. The error
// satisfies errors.Is for fs.ErrNotExist and fs.ErrPermission.
func (t *Tree) Handle(k Key) (*Handle, error) {
	if err := k.check(); err != nil {
		return nil, fmt.Errorf("sysctl %s: %w", k, err)
	}
	f := t.families[k.Family]
	if f.err != nil {
		return nil, fmt.Errorf("sysctl %s: %w", k, cause(f.err))
	}
	name := "conf/" + k.Scope + "/" + k.Name
	dir := int(f.open.Fd())
	fd, refused := syscall.Openat(dir, name, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if refused != nil {
		var err error
		if fd, err = syscall.Openat(dir, name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0); err != nil {
			return nil, fmt.Errorf("sysctl %s: %w", k, err)
		}
	}
	return &Handle{key: k, file: os.NewFile(uintptr(fd), k.Path()), refused: refused}, nil
}

// Read returns the value. The error is fs.ErrNotExist when the device is gone.
func (h *Handle) Read() (int, error) {
	n, err := syscall.Pread(int(h.file.Fd()), h.buf[:], 0) // os.File would ask twice
	if err != nil {
		return 0, fmt.Errorf("sysctl %s: %w", h.key, err)
	}
	s := strings.TrimSpace(string(h.buf[:n]))
	v, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("sysctl %s: value %q is not a number", h.key, s)
	}
	return v, nil
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
	if err == nil && got != value {
		err = fmt.Errorf("sysctl -w %s=%d: the kernel still says %d", h.key, value, got)
	}
	return err
}

// Close closes the key, and changes nothing.
func (h *Handle) Close() error { return h.file.Close() }

package main

import (
	"fmt"
	"io"
	"io/fs"
)

// cpioWriter writes the "newc" archive that the kernel unpacks as its first root file system
// (Documentation/driver-api/early-userspace/buffer-format.rst). Parents must be written before their children.
type cpioWriter struct {
	w   io.Writer
	ino int
	err error
}

// Bits of st_mode(7), as the archive wants them.
const (
	modeDir  = 0o040000
	modeFile = 0o100000
	modeChar = 0o020000
)

func newCpioWriter(w io.Writer) *cpioWriter { return &cpioWriter{w: w} }

func (c *cpioWriter) dir(name string) { c.entry(name, modeDir|0o755, 0, 0, nil) }

func (c *cpioWriter) file(name string, perm fs.FileMode, data []byte) {
	c.entry(name, modeFile|int(perm.Perm()), 0, 0, data)
}

func (c *cpioWriter) charDevice(name string, major, minor int) {
	c.entry(name, modeChar|0o600, major, minor, nil)
}

// close ends the archive and returns the first error of any call.
func (c *cpioWriter) close() error {
	c.entry("TRAILER!!!", 0, 0, 0, nil)
	return c.err
}

func (c *cpioWriter) entry(name string, mode, major, minor int, data []byte) {
	c.ino++
	const uid, gid, nlink, mtime, devMajor, devMinor, check = 0, 0, 1, 0, 0, 0, 0
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		c.ino, mode, uid, gid, nlink, mtime, len(data), devMajor, devMinor, major, minor, len(name)+1, check, name)
	c.write([]byte(header))
	c.pad(len(header))
	c.write(data)
	c.pad(len(data))
}

// pad brings what was n bytes long to a multiple of four.
func (c *cpioWriter) pad(n int) {
	if rest := n % 4; rest != 0 {
		c.write(make([]byte, 4-rest))
	}
}

func (c *cpioWriter) write(p []byte) {
	if c.err == nil && len(p) > 0 {
		_, c.err = c.w.Write(p)
	}
}

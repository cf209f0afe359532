// Package persisted tells what the next replay of sysctl.d would do to a key: the
// one that systemd-sysctl makes at boot and udev for each new device, and the
// one of sysctl --system. It only reads, through an [fs.FS], and decides
// nothing.
//
// The readers agree on where files are and on which of two with the same name
// counts, and disagree on much else. What is modelled was read in their
// sources, src/sysctl/sysctl.c of systemd 252 and 257 and src/sysctl.c of
// procps 4.0.2 and 3.3.17, and a test in the lab holds it against the first and
// the third.
package persisted

import (
	"fmt"
	"strconv"

	"rsagent/sysctl"
)

// A Reader is a program that replays sysctl.d.
type Reader int

const (
	// Systemd is systemd-sysctl. A line of a key that was set before replaces
	// it, also "-key", which takes it back. It does not read /etc/sysctl.conf,
	// unless a link in sysctl.d leads there.
	Systemd Reader = iota
	// Procps is sysctl --system since procps 4.0: as systemd-sysctl, but every
	// line is carried out in order, "-key" only keeps globs off, and
	// /etc/sysctl.conf comes last.
	Procps
	// Procps3 is sysctl --system of procps 3.3, which knows neither globs nor
	// "-key".
	Procps3
)

// String returns the command.
func (r Reader) String() string {
	switch r {
	case Systemd:
		return "systemd-sysctl"
	case Procps:
		return "sysctl --system"
	}
	return "sysctl --system of procps 3"
}

// Setting is the line that decides what a replay sets a key to.
type Setting struct {
	Value int
	File  string // absolute
	Line  int    // from 1
	Glob  bool   // the line has a pattern for a key
}

// String returns the place: file:line.
func (s Setting) String() string { return s.File + ":" + strconv.Itoa(s.Line) }

// Set returns what a replay by r leaves a key at. It reports false if no line
// sets the key to a number, so that it stays what it is.
func (s Snapshot) Set(r Reader, key sysctl.Key) (Setting, bool) {
	return s.Program(r).Set(key)
}

// Against returns the line by which a replay by r would set a key to something
// else than want.
func (s Snapshot) Against(r Reader, key sysctl.Key, want int) (Setting, bool) {
	got, set := s.Set(r, key)
	return got, set && got.Value != want
}

// file is where a key is below /proc/sys.
func file(key sysctl.Key) string {
	return fmt.Sprintf("net/ipv4/conf/%s/%s", key.Scope, key.Name)
}

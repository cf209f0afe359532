// Package persisted tells what sysctl.d will set a key to when it is read next:
// by systemd-sysctl at boot, which udev also runs for each new device, or by
// sysctl --system. It only reads, through an [fs.FS], and decides nothing.
//
// The programs agree on where files are and on which of two with the same name
// counts, and disagree on much else. What is modelled was read in their
// sources, src/sysctl/sysctl.c of systemd 252 and 257 and src/sysctl.c of
// procps 4.0.2, and a test in the lab holds it against both programs. What is
// rare is not modelled: a line that may decide a key by braces, by [[:class:]]
// or by a number that is not plainly decimal is said to be unclear.
package persisted

import "strconv"

// A Reader is a program that sets what sysctl.d says.
type Reader int

const (
	// Systemd is systemd-sysctl. A line of a key that was set before replaces
	// it, also "-key", which takes it back. It does not read /etc/sysctl.conf,
	// unless a link in sysctl.d leads there.
	Systemd Reader = iota
	// Procps is sysctl --system since procps 4.0: as systemd-sysctl, but every
	// line is carried out in order, "-key" only keeps patterns off, and
	// /etc/sysctl.conf comes last.
	Procps
)

// String returns the command.
func (r Reader) String() string {
	if r == Systemd {
		return "systemd-sysctl"
	}
	return "sysctl --system"
}

// A Place is a line of a file.
type Place struct {
	File string // absolute
	Line int    // from 1
}

// String returns file:line.
func (p Place) String() string { return p.File + ":" + strconv.Itoa(p.Line) }

// Setting is the line that decides what a key is set to.
type Setting struct {
	Place
	Value int
	Glob  bool // the line has a pattern for a key
	// Unclear is true if the line cannot be evaluated: whether it is about the
	// key, or what Value is, is not known.
	Unclear bool
}

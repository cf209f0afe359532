package persisted

import (
	"path"
	"strings"

	"rsagent/sysctl"
)

// A Program is what a reader makes of a [Snapshot]: assignments in the order in
// which they are carried out.
type Program struct {
	lines []assignment
	// named are the paths that no glob touches, as the reader spells them.
	named map[string]bool
}

// An assignment is a line.
type assignment struct {
	path     string // below /proc/sys, as the reader spells it
	value    string
	excludes bool // "-key": sets nothing
	globs    *matcher
	where    Setting // without its value
}

// Program parses s as r does.
func (s Snapshot) Program(r Reader) Program {
	p := Program{named: map[string]bool{}}
	for _, f := range s.order(r) {
		for i, line := range lines(r, f.content) {
			a, ok := parse(r, string(line))
			if !ok {
				continue
			}
			a.where = Setting{File: f.path, Line: i + 1}
			p.lines = append(p.lines, a)
		}
	}
	if r == Systemd {
		p.lines = once(p.lines)
	}
	for _, a := range p.lines {
		p.named[a.path] = true
	}
	return p
}

// once keeps one line of each key, as systemd-sysctl does: the last, but of equal
// ones the first.
func once(lines []assignment) []assignment {
	var out []assignment
	at := map[string]int{}
	for _, a := range lines {
		i, known := at[a.path]
		if known && out[i].value == a.value && out[i].excludes == a.excludes {
			continue
		}
		if known {
			out[i] = assignment{excludes: true}
		}
		at[a.path] = len(out)
		out = append(out, a)
	}
	return out
}

// Set returns what the program leaves a key at. It reports false if it does not
// set the key to a number.
func (p Program) Set(key sysctl.Key) (Setting, bool) {
	target := file(key)
	var out Setting
	set := false
	for _, a := range p.lines {
		if a.excludes || !p.touches(a, target) {
			continue
		}
		// What is no number is refused by the kernel, and changes nothing.
		if v, ok := number(a.value); ok {
			out, set = Setting{v, a.where.File, a.where.Line, a.globs != nil}, true
		}
	}
	return out, set
}

func (p Program) touches(a assignment, target string) bool {
	if strings.HasSuffix(a.path, "/") {
		return false // only folders are called so
	}
	if a.globs != nil {
		// What a glob yields is spelled as it is, and compared so.
		lead := a.path[:len(a.path)-len(strings.TrimLeft(a.path, "/"))]
		return a.globs.match(target) && !p.named[lead+target]
	}
	return path.Clean("/"+a.path) == "/"+target
}

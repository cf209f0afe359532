package persisted

import (
	"path"
	"strings"

	"rsagent/sysctl"
)

// A Program is what a reader makes of a [Snapshot]: assignments in the order in
// which they are carried out.
type Program struct {
	reader Reader
	lines  []assignment
	// named are the paths that no pattern touches, as the reader spells them.
	named map[string]bool
}

// Program parses s as r does.
func (s Snapshot) Program(r Reader) Program {
	p := Program{reader: r, named: map[string]bool{}}
	for _, f := range s.order(r) {
		for i, line := range lines(r, f.content) {
			if a, ok := parse(r, line); ok {
				a.Place = Place{f.path, i + 1}
				p.lines = append(p.lines, a)
			}
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

// Set returns the line that decides what the program leaves a key at. It reports
// false if no line sets the key to a number, so that it stays what it is.
func (p Program) Set(key sysctl.Key) (out Setting, set bool) {
	for _, a := range p.lines {
		v, number := number(a.value)
		switch min(p.touches(a, key.Path()), number) {
		case yes:
			out, set = Setting{a.Place, v, a.glob, false}, true
		case unclear:
			out, set = Setting{a.Place, 0, a.glob, true}, true
		}
	}
	return out, set
}

func (p Program) touches(a assignment, target string) answer {
	if a.excludes || strings.HasSuffix(a.path, "/") { // only folders are called so
		return no
	}
	if a.glob {
		// What a pattern yields is spelled as it is, and compared so.
		lead := a.path[:len(a.path)-len(strings.TrimLeft(a.path, "/"))]
		if p.named[lead+target] {
			return no
		}
		return match(p.reader, a.path, target)
	}
	if path.Clean("/"+a.path) == "/"+target {
		return yes
	}
	return no
}

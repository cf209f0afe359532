package persisted

import (
	"math"
	"strconv"
	"strings"
)

// Characters that a reader takes for space.
const (
	systemdSpace = " \t\n\r"
	cSpace       = " \t\n\v\f\r"
)

// parse reads a line. It reports false for one that means nothing.
func parse(r Reader, line string) (assignment, bool) {
	if r == Systemd {
		return parseSystemd(line)
	}
	return parseProcps(r, line)
}

func parseSystemd(line string) (assignment, bool) {
	line = strings.Trim(line, systemdSpace)
	if line == "" || line[0] == '#' || line[0] == ';' {
		return assignment{}, false
	}
	key, value, assigns := strings.Cut(line, "=")
	key, minus := strings.CutPrefix(key, "-")
	if !assigns && !minus {
		return assignment{}, false
	}
	key = simplify(slashes(strings.Trim(key, systemdSpace)))
	a := assignment{path: key, value: strings.Trim(value, systemdSpace), excludes: !assigns}
	switch {
	case isGlob(key):
		a.globs = compile(braces(key))
	case strings.Contains("/"+key+"/", "/../"):
		return assignment{}, false
	}
	return a, true
}

func parseProcps(r Reader, line string) (assignment, bool) {
	line, _, _ = strings.Cut(line, "\x00") // where a string ends in C
	line = strings.TrimLeft(line, cSpace)
	if len(line) < 2 || line[0] == '#' || line[0] == ';' {
		return assignment{}, false
	}
	key, value, assigns := strings.Cut(line, "=")
	key, minus := strings.CutPrefix(key, "-")
	if !assigns && (!minus || r == Procps3) {
		return assignment{}, false
	}
	key = strings.TrimRight(key, cSpace)
	if r == Procps {
		key = strings.TrimPrefix(key, "-") // it looks for the sign twice
	}
	a := assignment{path: slashes(key), value: strings.Trim(value, cSpace), excludes: !assigns}
	if isGlob(a.path) {
		if r == Procps3 {
			return assignment{}, false
		}
		a.globs = compile([]string{a.path})
	}
	return a, true
}

// slashes makes a path of a key. If its first separator is a dot, dots and
// slashes change places; else it is one already.
func slashes(key string) string {
	i := strings.IndexAny(key, "/.")
	if i < 0 || key[i] == '/' {
		return key
	}
	b := []byte(key)
	for i, c := range b {
		switch c {
		case '.':
			b[i] = '/'
		case '/':
			b[i] = '.'
		}
	}
	return string(b)
}

// simplify takes out what means nothing in a path, but leaves "..".
func simplify(p string) string {
	var parts []string
	for part := range strings.SplitSeq(p, "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}

// number reads a value as the kernel does (proc_get_long in kernel/sysctl.c):
// a sign, C's notation, and after a space whatever there is.
func number(s string) (int, bool) {
	s = strings.TrimLeft(s, cSpace)
	if i := strings.IndexAny(s, " \t\n"); i >= 0 {
		s = s[:i]
	}
	digits, negative := strings.CutPrefix(s, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' || len(s) > 20 {
		return 0, false
	}
	base := 10
	switch {
	case strings.HasPrefix(digits, "0x"), strings.HasPrefix(digits, "0X"):
		digits, base = digits[2:], 16
	case digits[0] == '0':
		base = 8
	}
	v, err := strconv.ParseUint(digits, base, 64)
	if err != nil || v > math.MaxInt32 {
		return 0, false
	}
	if negative {
		return -int(v), true
	}
	return int(v), true
}

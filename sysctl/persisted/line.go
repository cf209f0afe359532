package persisted

import (
	"path"
	"regexp"
	"strconv"
	"strings"
)

// An assignment is a line.
type assignment struct {
	Place
	path     string // below /proc/sys, as the reader spells it
	value    string
	excludes bool // "-key": sets nothing
	glob     bool
}

// parse reads a line. It reports false for one that means nothing.
func parse(r Reader, line string) (a assignment, ok bool) {
	space := " \t\n\r" // what the reader takes for it
	if r == Procps {
		space = " \t\n\v\f\r"
		line, _, _ = strings.Cut(line, "\x00") // where a string ends in C
	}
	line = strings.Trim(line, space)
	if line == "" || line[0] == '#' || line[0] == ';' {
		return a, false
	}
	key, value, assigns := strings.Cut(line, "=")
	key, minus := strings.CutPrefix(key, "-")
	if !assigns && !minus {
		return a, false
	}
	a.value, a.excludes = strings.Trim(value, space), !assigns
	a.glob = strings.ContainsAny(key, "*?[")
	if r == Procps { // which looks for the sign twice
		a.path = slashes(strings.TrimPrefix(strings.TrimRight(key, space), "-"))
		return a, true
	}
	a.path = slashes(strings.Trim(key, space))
	if strings.Contains("/"+a.path+"/", "/../") {
		return a, a.glob
	}
	a.path = path.Clean("/" + a.path)[1:]
	return a, true
}

// slashes makes a path of a key. If its first separator is a dot, dots and
// slashes change places; else it is one already.
func slashes(key string) string {
	if i := strings.IndexAny(key, "/."); i < 0 || key[i] == '/' {
		return key
	}
	return strings.NewReplacer(".", "/", "/", ".").Replace(key)
}

// An answer may be that there is none.
type answer int

const (
	no answer = iota
	unclear
	yes
)

// What path.Match does not know of glob(3): escapes and classes in a class, and,
// for systemd-sysctl alone, braces.
var (
	unusual  = regexp.MustCompile(`\\|\[[^]]*\[`)
	branches = regexp.MustCompile(`\{.*/.*\}`) // choices of more than a name
)

// match tells whether a pattern matches a path.
func match(r Reader, pattern, target string) answer {
	clean := path.Clean("/" + pattern)[1:]
	if r == Systemd && branches.MatchString(clean) {
		if fixed := clean[:strings.IndexAny(clean, `*?[{\`)]; !strings.HasPrefix(target, fixed) {
			return no
		}
		return unclear
	}
	names, patterns := strings.Split(target, "/"), strings.Split(clean, "/")
	if len(names) != len(patterns) {
		return no
	}
	out := yes
	if clean != strings.Trim(pattern, "/") {
		out = unclear // how its names are spelled, and so compared
	}
	for i, p := range patterns {
		out = min(out, matchName(r, p, names[i]))
	}
	return out
}

func matchName(r Reader, pattern, name string) answer {
	if unusual.MatchString(pattern) || r == Systemd && strings.Contains(pattern, "{") {
		return unclear
	}
	matched, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), name)
	if err != nil {
		return unclear
	}
	// No wildcard matches the dot at the beginning of a name.
	if matched && (name[0] != '.' || pattern[0] == '.') {
		return yes
	}
	return no
}

// number reads a value as the kernel does (proc_get_long in kernel/sysctl.c),
// which ignores what comes after a space. It answers no for what the kernel
// rejects, and so changes nothing.
func number(s string) (int, answer) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		s = s[:i]
	}
	if digits := strings.TrimPrefix(s, "-"); digits == "" || digits[0] < '0' || digits[0] > '9' {
		return 0, no
	}
	v, err := strconv.ParseInt(s, 10, 32)
	if err != nil || strconv.FormatInt(v, 10) != s {
		return 0, unclear // 0x1, 010, out of range
	}
	return int(v), yes
}

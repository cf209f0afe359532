package persisted

import (
	"regexp"
	"strings"
)

// isGlob reports whether the readers take a path for a pattern.
func isGlob(p string) bool { return strings.ContainsAny(p, "*?[") }

// A matcher is a glob(7) pattern for paths.
type matcher struct{ expressions []*regexp.Regexp }

// compile returns the union of patterns. One that makes no sense matches
// nothing.
func compile(patterns []string) *matcher {
	m := &matcher{}
	for _, p := range patterns {
		if re, err := regexp.Compile(`(?s)^` + expression(strings.Trim(p, "/")) + `$`); err == nil {
			m.expressions = append(m.expressions, re)
		}
	}
	return m
}

func (m *matcher) match(path string) bool {
	for _, re := range m.expressions {
		if re.MatchString(path) {
			return true
		}
	}
	return false
}

// expression translates a pattern. No wildcard matches the dot at the beginning
// of a name.
func expression(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		begins := i == 0 || p[i-1] == '/'
		switch c := p[i]; {
		case c == '*' && begins:
			b.WriteString(`(?:[^/.][^/]*)?`)
		case c == '*':
			b.WriteString(`[^/]*`)
		case c == '?' && begins:
			b.WriteString(`[^/.]`)
		case c == '?':
			b.WriteString(`[^/]`)
		case c == '\\':
			if i+1 < len(p) {
				i++
			}
			b.WriteString(regexp.QuoteMeta(p[i : i+1]))
		case c == '[':
			end := bracket(p, i)
			if end < 0 {
				b.WriteString(`\[`)
				continue
			}
			b.WriteString(class(p[i+1 : end]))
			i = end
		default:
			b.WriteString(regexp.QuoteMeta(p[i : i+1]))
		}
	}
	return b.String()
}

// bracket returns where the class that begins at i ends, or -1.
func bracket(p string, i int) int {
	j := i + 1
	if j < len(p) && (p[j] == '!' || p[j] == '^') {
		j++
	}
	for first := j; j < len(p); j++ {
		switch {
		case p[j] == '/':
			return -1 // a class ends in the same name
		case p[j] == ']' && j > first:
			return j
		case strings.HasPrefix(p[j:], "[:"):
			if k := strings.Index(p[j:], ":]"); k > 0 {
				j += k + 1
			}
		}
	}
	return -1
}

// class translates the inside of a class.
func class(inside string) string {
	not := ""
	if inside[0] == '!' || inside[0] == '^' {
		not, inside = "^", inside[1:]
	}
	inside = strings.NewReplacer(`\`, `\\`, `]`, `\]`, `^`, `\^`, `&`, `\&`, `~`, `\~`).Replace(inside)
	// Replacing has hit the named classes too.
	inside = strings.ReplaceAll(inside, `:\]`, `:]`)
	return "[" + not + inside + "]"
}

// maxPatterns bounds what braces multiply to.
const maxPatterns = 256

// braces expands {a,b}, which glob(3) does for systemd-sysctl only.
func braces(p string) []string {
	var out []string
	todo := []string{p}
	for len(todo) > 0 && len(out)+len(todo) <= maxPatterns {
		p, todo = todo[0], todo[1:]
		head, list, tail, ok := brace(p)
		if !ok {
			out = append(out, p)
			continue
		}
		for _, choice := range list {
			todo = append(todo, head+choice+tail)
		}
	}
	return out
}

// brace splits at the first pair of braces and its commas.
func brace(p string) (head string, list []string, tail string, ok bool) {
	start := strings.IndexByte(p, '{')
	if start < 0 {
		return "", nil, "", false
	}
	depth, from := 0, start+1
	for i := start; i < len(p); i++ {
		switch {
		case p[i] == '{':
			depth++
		case p[i] == ',' && depth == 1:
			list, from = append(list, p[from:i]), i+1
		case p[i] == '}' && depth == 1:
			return p[:start], append(list, p[from:i]), p[i+1:], p[start:i+1] != "{}"
		case p[i] == '}':
			depth--
		}
	}
	return "", nil, "", false
}

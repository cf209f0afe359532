package main

import "strings"

// roffWord returns s for use inside a line of a man page: a hyphen is the one
// that can be copied, and nothing is an escape.
func roffWord(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
}

// roffText returns text as a man page has it: paragraphs are filled, indented
// lines are kept as they are, and each sentence has a line of its own, after
// which roff sets the space.
func roffText(text string) string {
	var out []string
	indented := false
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		line = strings.TrimRight(line, "\n")
		example := strings.HasPrefix(line, "  ")
		if example != indented {
			out = append(out, map[bool]string{true: ".PP\n.in +4n\n.EX", false: ".EE\n.in"}[example])
			indented = example
		}
		switch {
		case line == "":
			out = append(out, ".PP")
		case example:
			out = append(out, roffLine(strings.TrimSpace(line)))
		default:
			out = append(out, strings.ReplaceAll(roffLine(line), ". ", ".\n"))
		}
	}
	if indented {
		out = append(out, ".EE\n.in")
	}
	return tidyRoff(strings.Join(out, "\n"))
}

// roffLine keeps a line from being a request. Only what looks like a flag has
// hyphens that are minus signs.
func roffLine(s string) string {
	words := strings.Split(s, " ")
	for i, w := range words {
		w = strings.ReplaceAll(w, `\`, `\e`)
		if strings.HasPrefix(w, "-") {
			w = strings.ReplaceAll(w, "-", `\-`)
		}
		words[i] = w
	}
	s = strings.Join(words, " ")
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

// tidyRoff takes away paragraphs that nothing follows.
func tidyRoff(s string) string {
	for strings.Contains(s, ".PP\n.PP") {
		s = strings.ReplaceAll(s, ".PP\n.PP", ".PP")
	}
	return strings.TrimPrefix(s, ".PP\n")
}

// foldRoff breaks long lines of text, as roff wants its input, at spaces. Lines
// of examples and requests stay whole.
func foldRoff(s string) string {
	const width = 78
	var b strings.Builder
	example := false
	for line := range strings.Lines(s) {
		example = (example || line == ".EX\n") && line != ".EE\n"
		for !example && len(line) > width && !strings.HasPrefix(line, ".") {
			at := foldAt(line[:width])
			if at < 0 {
				break
			}
			b.WriteString(line[:at] + "\n")
			line = line[at+1:]
		}
		b.WriteString(line)
	}
	return b.String()
}

// foldAt returns the last space where a line may end, or -1: not one that is
// escaped, nor one whose word would start a request.
func foldAt(s string) int {
	for at := len(s) - 2; at > 0; at-- {
		if s[at] == ' ' && s[at-1] != '\\' && !strings.ContainsRune(".'", rune(s[at+1])) {
			return at
		}
	}
	return -1
}

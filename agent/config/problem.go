package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Problem is one thing that is wrong with a configuration.
type Problem struct {
	File    string // as given to Parse or Load; for a flag, the flag with its value
	Line    int    // from 1; 0 for a flag
	Column  int    // from 1, in characters; 0 for a flag
	Key     string // vips[1].services[0].port; empty if it is about the whole file
	Message string // what is wrong and what is allowed; lower case, one line
}

// String returns "file:line:column: key: message", without what is unknown.
func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	if p.Key != "" {
		s += ": " + p.Key
	}
	return s + ": " + p.Message
}

// Problems is an error that prints one problem per line, without a newline at
// the end.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Key, b.Key), cmp.Compare(a.Message, b.Message))
	})
}

// maxQuote is how much of a user's text is repeated in a problem.
const maxQuote = 60

// printable returns text in a form that fits into the middle of one line:
// itself if it is short, visible and without spaces, else quoted and cut.
func printable(text string) string {
	runes := []rune(text)
	if len(runes) > maxQuote {
		return strconv.Quote(string(runes[:maxQuote]) + "…")
	}
	odd := func(r rune) bool { return r == ' ' || r == '"' || !strconv.IsPrint(r) }
	if text == "" || strings.ContainsFunc(text, odd) {
		return strconv.Quote(text)
	}
	return text
}

package config

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

// MaxSize is the largest file that is accepted, in bytes.
const MaxSize = 1 << 20

// document returns the top node of the only document in data. If there is
// none, p has at least one problem.
func (p *parser) document(data []byte) *yaml.Node {
	if len(data) > MaxSize {
		p.add(at(1, 1), "", "the file is larger than 1 MiB, the most that is accepted")
		return nil
	}
	if at, wrong := unreadable(data); wrong != "" {
		p.add(at, "", wrong)
		return nil
	}
	var docs []yaml.Node
	if err := yaml.Load(data, &docs, yaml.WithAllDocuments()); err != nil {
		p.syntax(data, err)
		return nil
	}
	switch {
	case len(docs) == 0 || len(docs[0].Content) == 0 || isNull(docs[0].Content[0]):
		p.add(at(1, 1), "", "the file is empty: want at least vips: [ADDRESS]")
		return nil
	case len(docs) > 1:
		p.add(&docs[1], "", "a second document starts here: only one is accepted")
		return nil
	}
	return docs[0].Content[0]
}

// at returns a node that is nothing but a position.
func at(line, column int) *yaml.Node { return &yaml.Node{Line: line, Column: column} }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// unreadable finds the first byte that cannot be in a YAML file. The YAML
// reader refuses these too, but knows no position.
func unreadable(data []byte) (*yaml.Node, string) {
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return at(line, column), "not UTF-8 text"
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			return at(line, column), fmt.Sprintf("control character %q: want plain text", r)
		case r == '\n':
			line, column = line+1, 0
		}
		i, column = i+size, column+1
	}
	return nil, ""
}

// syntax adds what the YAML parser has to say.
func (p *parser) syntax(data []byte, err error) {
	le, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		p.add(at(1, 1), "", "not valid YAML: "+printable(err.Error()))
		return
	}
	where := at(max(le.Mark.Line, 1), max(le.Mark.Column, 1))
	switch {
	case runeAt(data, where.Line, where.Column) == '\t':
		p.add(where, "", "not valid YAML: a tab cannot indent: use spaces")
	case le.ContextMsg != "" && le.ContextMark.Line > 0:
		p.add(where, "", fmt.Sprintf("not valid YAML: %s %s that starts on line %d",
			le.Message, le.ContextMsg, le.ContextMark.Line))
	default:
		p.add(where, "", "not valid YAML: "+le.Message)
	}
}

// runeAt returns the character at a position, or 0 past the end of its line.
func runeAt(data []byte, line, column int) rune {
	n := 1
	for text := range bytes.Lines(data) {
		if n++; n <= line {
			continue
		}
		if runes := []rune(string(text)); column <= len(runes) {
			return runes[column-1]
		}
		break
	}
	return 0
}

package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"
)

// Hook is about the command that is run for every transition.
type Hook struct {
	Command []string // an absolute path and its arguments; nil for none
	Timeout time.Duration
}

const (
	maxCommand = 16
	wantPart   = "text"
	hookAbout  = "A command to run for each drift, each repair, the beginning and the end of a fight, and when\n" +
		"readiness changes, with the facts as a JSON object on its standard input. It is run without a\n" +
		"shell, one at a time, and never keeps a repair waiting."
)

// readCommand reads the hook's command.
func (p *parser) readCommand(n *yaml.Node, s setting, c *Config) {
	before := len(p.problems)
	var command []string
	count, ok := p.list(n, s.name, "texts, such as [/usr/local/bin/on-drift, arg]", func(path string, n *yaml.Node) {
		first := strings.HasSuffix(path, "[0]")
		v, ok := p.scalar(n, path, partWanted(first))
		if ok && p.accept(v, path, v.part(first), partWanted(first)) {
			command = append(command, v.text)
		}
	})
	if ok && count > maxCommand {
		p.add(follow(n), s.name, fmt.Sprintf("%d parts: want at most %d", count, maxCommand))
	}
	if len(p.problems) == before {
		c.Hook.Command = command
	}
}

func partWanted(first bool) string {
	if first {
		return "the absolute path of a program"
	}
	return wantPart
}

// part says what is wrong with v as a part of a command, of which the first is
// the program.
func (v value) part(first bool) string {
	switch {
	case v.tag != "!!str":
		return "is not text (put it in quotes)"
	case strings.ContainsRune(v.text, 0):
		return "holds a zero byte"
	case first && (!filepath.IsAbs(v.text) || filepath.Clean(v.text) != v.text || v.text == "/"):
		return "is not one"
	}
	return ""
}

// flow writes a list on one line.
func flow(list []string) string {
	quoted := make([]string, len(list))
	for i, text := range list {
		quoted[i] = written(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

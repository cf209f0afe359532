package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	yaml "go.yaml.in/yaml/v4"
)

// maxVisits bounds how many list items and keys are looked at. No file of
// MaxSize holds as many, so only aliases of aliases can get there.
const maxVisits = 1 << 20

// A parser walks the nodes of one file and collects problems.
type parser struct {
	file      string
	problems  Problems
	visits    int
	vips      map[netip.Addr]place
	directors map[netip.Addr]place
	empty     *yaml.Node // the list of VIPs, if it is empty
}

// A place is where something was first seen.
type place struct {
	node *yaml.Node
	path string
}

func (p *parser) add(n *yaml.Node, path, message string) {
	p.problems = append(p.problems, Problem{p.file, n.Line, n.Column, path, message})
}

// config reads the whole file into c.
func (p *parser) config(top *yaml.Node, c *Config) {
	c.Desired.AnySender = true
	seen := p.mapping(top, "", childrenOf(""), func(key string, n *yaml.Node) {
		switch {
		case key == "vips":
			p.readVIPs(n, c)
		case key == "directors":
			p.readDirectors(n, c)
		case len(childrenOf(key)) > 0:
			p.mapping(n, key, childrenOf(key), func(name string, n *yaml.Node) {
				p.setting(key+"."+name, n, c)
			})
		default:
			p.setting(key, n, c)
		}
	})
	if seen.missing("vips") {
		p.add(top, "vips", "missing: want at least one VIP")
	}
	if p.empty != nil && !c.AllowEmpty {
		p.add(p.empty, "vips", "an empty list: want at least one VIP, or allow_empty: true")
	}
	for addr, vip := range p.vips {
		if d, ok := p.directors[addr]; ok {
			p.add(vip.node, vip.path, fmt.Sprintf(
				"%s is also a director (%s, line %d): an address is either or neither", addr, d.path, d.node.Line))
		}
	}
}

// setting reads one row of the table.
func (p *parser) setting(name string, n *yaml.Node, c *Config) {
	s := settings[slices.IndexFunc(settings, func(s setting) bool { return s.name == name })]
	if s.list != nil {
		s.list(p, n, s, c)
		return
	}
	if v, ok := p.scalar(n, name, s.want); ok {
		p.accept(v, name, s.read(c, v), s.want)
	}
}

// keys says which known keys a mapping has, and on which lines; nil if that
// cannot be told.
type keys map[string]int

// missing reports whether a mapping is there, but not this key.
func (k keys) missing(name string) bool { return k != nil && k[name] == 0 }

// mapping calls each for every known key that n has, once, and returns them.
func (p *parser) mapping(n *yaml.Node, path string, known []string, each func(string, *yaml.Node)) keys {
	n = follow(n)
	if n.Kind != yaml.MappingNode {
		p.add(n, path, kind(n)+": want a mapping with "+oneOf(known))
		return nil
	}
	lines := keys{}
	for i := 0; i+1 < len(n.Content) && p.visit(n, path); i += 2 {
		key := follow(n.Content[i])
		name := key.Value
		switch {
		case key.Kind != yaml.ScalarNode:
			p.add(key, path, kind(key)+" as a key: want "+oneOf(known))
		case !slices.Contains(known, name):
			p.add(key, join(path, printable(name)), unknown(name, known))
		case lines[name] > 0:
			p.add(key, join(path, name), fmt.Sprintf("duplicate key: it is already on line %d", lines[name]))
		default:
			lines[name] = key.Line
			each(name, n.Content[i+1])
		}
	}
	if p.visits >= maxVisits {
		return nil // cut short: what is missing was not looked for
	}
	return lines
}

// list calls each for every item of n, and returns their number and whether n
// is a list at all. What it should be a list of is in want.
func (p *parser) list(n *yaml.Node, path, want string, each func(string, *yaml.Node)) (count int, ok bool) {
	n = follow(n)
	if n.Kind != yaml.SequenceNode {
		p.add(n, path, kind(n)+": want a list of "+want)
		return 0, false
	}
	for i, item := range n.Content {
		if !p.visit(n, path) {
			break
		}
		each(path+"["+strconv.Itoa(i)+"]", follow(item))
	}
	return len(n.Content), true
}

// scalar returns n as a value, or adds a problem if it is none.
func (p *parser) scalar(n *yaml.Node, path, want string) (value, bool) {
	n = follow(n)
	if n.Kind != yaml.ScalarNode || isNull(n) {
		p.add(n, path, kind(n)+": want "+want)
		return value{}, false
	}
	return value{n, n.ShortTag(), n.Value}, true
}

// accept reports whether nothing is wrong with v, or else adds a problem.
func (p *parser) accept(v value, path, wrong, want string) bool {
	if wrong != "" {
		p.add(v.node, path, fmt.Sprintf("%s %s: want %s", v, wrong, want))
	}
	return wrong == ""
}

// visit counts, and reports whether to go on.
func (p *parser) visit(n *yaml.Node, path string) bool {
	if p.visits++; p.visits == maxVisits {
		p.add(n, path, "aliases multiply to more than a million values")
	}
	return p.visits < maxVisits
}

// follow returns what an alias stands for, so that problems are reported where
// the text is to be mended.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// kind says what there is where something else is wanted.
func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "got a mapping"
	case n.Kind == yaml.SequenceNode:
		return "got a list"
	case isNull(n):
		return "no value"
	}
	return "got " + value{n, n.ShortTag(), n.Value}.String()
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

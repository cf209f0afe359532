package config

import (
	"fmt"
	"net/netip"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

const (
	wantAddr     = "an IPv4 address"
	wantPort     = "a number from 1 to 65535"
	wantPath     = "a path that starts with /, without spaces"
	wantServices = "services, such as {port: 80, http: /} or {port: 443}"
)

// readVIPs reads the list of VIPs with their services.
func (p *parser) readVIPs(n *yaml.Node, c *Config) {
	count, ok := p.list(n, "vips", "at least one VIP", func(path string, n *yaml.Node) {
		if n.Kind != yaml.MappingNode {
			p.address(n, path, p.vips, &c.Desired.VIPs)
			return
		}
		var services []Service
		from := len(c.Desired.VIPs)
		seen := p.mapping(n, path, []string{"address", "services"}, func(key string, n *yaml.Node) {
			if key == "address" {
				p.address(n, path+".address", p.vips, &c.Desired.VIPs)
			} else {
				services = p.services(n, path+".services")
			}
		})
		if seen.missing("address") {
			p.add(n, path+".address", "missing: want "+wantAddr)
		}
		for _, vip := range c.Desired.VIPs[from:] {
			for _, s := range services {
				s.VIP = vip
				c.Services = append(c.Services, s)
			}
		}
	})
	if ok && count == 0 {
		p.empty = follow(n)
	}
}

// readDirectors reads the list of directors; its presence is what counts.
func (p *parser) readDirectors(n *yaml.Node, c *Config) {
	c.Desired.AnySender = false
	count, ok := p.list(n, "directors", "the directors' addresses; leave the key out if there are none", func(path string, n *yaml.Node) {
		p.address(n, path, p.directors, &c.Desired.Directors)
	})
	if ok && count == 0 {
		p.add(follow(n), "directors", "an empty list: name at least one director, or leave the key out")
	}
}

// address appends the address in n to list if there is nothing wrong with it
// and it was not seen before.
func (p *parser) address(n *yaml.Node, path string, seen map[netip.Addr]place, list *[]netip.Addr) {
	v, ok := p.scalar(n, path, wantAddr)
	if !ok {
		return
	}
	text := v.text
	if v.tag != "!!str" {
		text = "" // a number or a foreign tag: no address, whatever it says
	}
	addr, wrong := parseAddr(text)
	if first, ok := seen[addr]; ok && wrong == "" {
		wrong = fmt.Sprintf("is a duplicate of %s on line %d", first.path, first.node.Line)
	}
	if wrong != "" {
		p.add(v.node, path, v.String()+" "+wrong)
		return
	}
	seen[addr] = place{v.node, path}
	*list = append(*list, addr)
}

// services reads the services of one VIP; their VIP is left empty.
func (p *parser) services(n *yaml.Node, path string) []Service {
	var services []Service
	lines := map[Service]int{}
	p.list(n, path, wantServices, func(path string, n *yaml.Node) {
		s, ok := p.service(n, path)
		line, duplicate := lines[s]
		switch {
		case !ok:
		case duplicate:
			p.add(n, path, fmt.Sprintf("a duplicate of the service on line %d", line))
		default:
			lines[s] = n.Line
			services = append(services, s)
		}
	})
	return services
}

// service reads one service, and reports whether there is nothing wrong.
func (p *parser) service(n *yaml.Node, path string) (s Service, ok bool) {
	before := len(p.problems)
	seen := p.mapping(n, path, []string{"port", "http"}, func(key string, n *yaml.Node) {
		path := path + "." + key
		if key == "port" {
			if v, ok := p.scalar(n, path, wantPort); ok {
				port, wrong := v.number(1, 65535)
				p.accept(v, path, wrong, wantPort)
				s.Port = uint16(port)
			}
			return
		}
		if v, ok := p.scalar(n, path, wantPath); ok {
			p.accept(v, path, v.path(), wantPath)
			s.HTTP = v.text
		}
	})
	if seen.missing("port") {
		p.add(n, path+".port", "missing: want "+wantPort)
	}
	return s, len(p.problems) == before
}

// path says what is wrong with v as the path of an HTTP request.
func (v value) path() string {
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	if v.tag != "!!str" || !strings.HasPrefix(v.text, "/") || strings.ContainsFunc(v.text, odd) {
		return "is not accepted"
	}
	return ""
}

package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// YAML returns c as a file, in canonical form: every key, in the order of the
// reference, lists sorted. [Parse] makes an equal Config of it; only that of
// [FromVIPs] comes back with AnySender set, since a file could name directors.
func (c Config) YAML() []byte {
	var b strings.Builder
	c.writeLists(&b)
	section := ""
	for _, s := range settings {
		indent, name := enter(&b, &section, s.name, "")
		fmt.Fprintf(&b, "%s%s: %s\n", indent, name, s.show(c))
	}
	return []byte(b.String())
}

// writeLists writes VIPs and directors, which have no defaults.
func (c Config) writeLists(b *strings.Builder) {
	c.writeVIPs(b)
	if len(c.Desired.Directors) > 0 {
		b.WriteString("directors:\n")
		for _, d := range c.Desired.Directors {
			fmt.Fprintf(b, "  - %s\n", d)
		}
	}
}

func (c Config) writeVIPs(b *strings.Builder) {
	services := map[netip.Addr][]Service{}
	for _, s := range c.Services {
		services[s.VIP] = append(services[s.VIP], s)
	}
	if len(c.Desired.VIPs) == 0 {
		b.WriteString("vips: []\n")
		return
	}
	b.WriteString("vips:\n")
	for _, vip := range c.Desired.VIPs {
		if len(services[vip]) == 0 {
			fmt.Fprintf(b, "  - %s\n", vip)
			continue
		}
		fmt.Fprintf(b, "  - address: %s\n    services:\n", vip)
		for _, s := range services[vip] {
			if s.HTTP == "" {
				fmt.Fprintf(b, "      - {port: %d}\n", s.Port)
			} else {
				fmt.Fprintf(b, "      - {port: %d, http: %s}\n", s.Port, strconv.Quote(s.HTTP))
			}
		}
	}
}

// enter writes the line that opens the section of a key, after before, unless
// *section says that it is open, and returns the key's indent and its name
// within the section.
func enter(b *strings.Builder, section *string, name, before string) (indent, leaf string) {
	outer, leaf, nested := strings.Cut(name, ".")
	if !nested {
		*section = ""
		b.WriteString(before)
		return "", name
	}
	if *section != outer {
		*section = outer
		b.WriteString(before + outer + ":\n")
	}
	return "  ", leaf
}

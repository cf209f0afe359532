package config

import (
	"fmt"
	"strings"
)

// Example returns the reference: a file with every key, what it is for, its
// default and its range. It parses without problems as it stands.
func Example() []byte {
	var b strings.Builder
	b.WriteString(exampleLists)
	c, section := defaults(), ""
	for _, s := range settings {
		indent, name := enter(&b, &section, s.name, "\n")
		comment(&b, indent, s.about)
		comment(&b, indent, "Allowed: "+s.want+".")
		comment(&b, indent, "Default: "+s.show(c)+".")
		fmt.Fprintf(&b, "%s%s: %s\n", indent, name, s.show(c))
	}
	return []byte(b.String())
}

func comment(b *strings.Builder, indent, text string) {
	for line := range strings.Lines(text) {
		b.WriteString(indent + "# " + strings.TrimSpace(line) + "\n")
	}
}

const exampleLists = `# Reference configuration of rsagent: every key, what it is for, what is
# allowed, and its default. Only vips is required. Unknown keys are errors.

# The virtual addresses that this real server answers for, each put on the
# tunnel device as a /32.
# Required, at least one: IPv4 unicast addresses, written as 172.25.84.100 or
# 172.25.84.100/32, or as a mapping with the keys address and services.
vips:
  - 172.25.84.100
  - address: 172.25.84.101
    # What must answer here for this VIP to be ready: a port from 1 to 65535,
    # and the path of an HTTP request, or else a TCP connect.
    # Default: nothing.
    services:
      - {port: 80, http: /}
      - {port: 443}

# The directors, who may tunnel to us and must not be our gateway.
# A list of at least one IPv4 unicast address, none of them a VIP.
# Default: absent, which means anyone; check warns about that.
directors: [172.25.84.4]
`

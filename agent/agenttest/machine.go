package agenttest

import (
	"slices"
	"strings"
	"testing"
)

// A Machine is a host as a human at its shell has it before him, beside and
// behind the back of the agent.
type Machine interface {
	// Run carries out command lines of ip, sysctl and modprobe, separated by
	// semicolons or line ends, and stops at the first error. What the machine
	// must not do is errors.ErrUnsupported.
	Run(script string) error
	// Dump returns module, links, IPv4 addresses and settings as text, in the
	// form of Render.
	Dump() string
}

// Lines splits a script into its commands.
func Lines(script string) []string {
	lines := strings.FieldsFunc(script, func(r rune) bool { return r == ';' || r == '\n' })
	for i, l := range lines {
		lines[i] = strings.TrimSpace(l)
	}
	return slices.DeleteFunc(lines, func(l string) bool { return l == "" })
}

// Type runs scripts, and ends the test if one fails.
func Type(t testing.TB, m Machine, scripts ...string) {
	t.Helper()
	for _, s := range scripts {
		if err := m.Run(s); err != nil {
			t.Fatal(err)
		}
	}
}

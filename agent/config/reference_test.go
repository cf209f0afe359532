package config

import (
	"slices"
	"strings"
	"testing"
)

// The reference and the example say the same about every key, and each example
// of the reference is accepted.
func TestReferenceAndExampleAgree(t *testing.T) {
	t.Parallel()
	text := strings.ToLower(flat(string(Example())))
	var top []string
	for _, k := range Reference() {
		if name, _, nested := strings.Cut(strings.ReplaceAll(k.Name, "[]", ""), "."); !nested || !slices.Contains(top, name) {
			top = append(top, name)
		}
		if k.Name == "vips[].address" {
			continue // said in the words about vips
		}
		for _, say := range append(sentences(k.About), k.Allowed, k.Default) {
			if !strings.Contains(text, strings.ToLower(flat(say))) {
				t.Errorf("%s: the example does not say %q", k.Name, say)
			}
		}
	}
	if known := childrenOf(""); !slices.Equal(top, known) {
		t.Errorf("the reference has %v, the file %v", top, known)
	}
}

// sentences takes a text apart, since the example has its own order and stops.
func sentences(s string) []string { return strings.Split(strings.TrimSuffix(s, "."), ". ") }

// flat takes line breaks and the signs of comments away.
func flat(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "# ", " ")), " ")
}

func TestExamplesOfTheReferenceAreAccepted(t *testing.T) {
	t.Parallel()
	for _, k := range Reference() {
		file := k.Example + "\n"
		if !strings.HasPrefix(file, "vips:") {
			file += "vips: [172.25.84.100]\n"
		}
		if _, problems := Parse(k.Name, []byte(file)); len(problems) > 0 {
			t.Errorf("%s\n%v", file, problems)
		}
	}
}

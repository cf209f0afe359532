package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"rsagent/agent"
)

// A value is a scalar of the file: its text and what YAML takes it for.
type value struct {
	node *yaml.Node
	tag  string
	text string
}

// String returns the value as the user wrote it, fit for a message.
func (v value) String() string {
	if v.quoted() && len(v.text) <= maxQuote {
		return strconv.Quote(v.text)
	}
	return printable(v.text)
}

// quoted reports whether v is marked as not being what it looks like.
func (v value) quoted() bool { return v.node.Style != 0 }

// resolve returns text as YAML reads it when it stands alone. What is no
// scalar becomes a value without a tag.
func resolve(text string) value {
	var doc yaml.Node
	if yaml.Load([]byte(text), &doc) != nil || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.ScalarNode {
		return value{&doc, "", text}
	}
	n := doc.Content[0]
	return value{n, n.ShortTag(), n.Value}
}

// written returns text as a string in a file: as it is where YAML reads it as
// just that, else quoted.
func written(text string) string {
	if v := resolve(text); v.tag == "!!str" && v.text == text && !strings.ContainsAny(text, ":#,[]{}") {
		return text
	}
	return strconv.Quote(text)
}

// The functions below read a value. What is wrong with it comes back as a few
// words that follow it in a sentence; none if it is fine.

// word stores v if it is one of words.
func (v value) word(into *string, words ...string) string {
	if v.tag != "!!str" || !slices.Contains(words, v.text) {
		return "is not accepted"
	}
	*into = v.text
	return ""
}

// either stores whether v is the second of two words.
func (v value) either(second *bool, a, b string) string {
	var got string
	wrong := v.word(&got, a, b)
	*second = got == b
	return wrong
}

// boolean stores v if it is true or false.
func (v value) boolean(into *bool) string {
	if v.tag != "!!bool" {
		return "is not accepted"
	}
	*into = strings.EqualFold(v.text, "true")
	return ""
}

// number returns v if it is a decimal number from low to high. Other notations
// are refused, since readers disagree on what 010 is.
func (v value) number(low, high int) (int, string) {
	digits := strings.TrimPrefix(v.text, "-")
	rest := strings.TrimLeft(digits, "0123456789")
	switch {
	case v.quoted() || rest == digits:
		return 0, "is not a number"
	case rest != "" || len(digits) > 1 && digits[0] == '0':
		return 0, "is not a plain decimal number"
	}
	n, err := strconv.Atoi(v.text)
	if err != nil || n < low || n > high {
		return 0, "is out of range"
	}
	return n, ""
}

// duration returns v if it is a duration from low to high.
func (v value) duration(low, high time.Duration) (time.Duration, string) {
	if v.tag == "!!int" || v.tag == "!!float" {
		return 0, "has no unit"
	}
	d, err := time.ParseDuration(v.text)
	switch {
	case v.tag != "!!str" || err != nil:
		return 0, "is not a duration"
	case d < low || d > high:
		return 0, "is out of range"
	}
	return d, ""
}

// device returns v if the kernel takes it as the name of a device and the
// label that marks our addresses fits.
func (v value) device() (string, string) {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/:%", r) }
	switch name := v.text; {
	case v.tag != "!!str":
		return "", "is not text (put it in quotes)"
	case name == "." || name == ".." || strings.ContainsFunc(name, odd):
		return "", "is not a valid device name"
	case len(name) < 1 || len(name) > agent.MaxDevice:
		return "", "has " + strconv.Itoa(len(name)) + " characters"
	case slices.Contains([]string{"all", "default", "lo"}, name):
		return "", "cannot be a tunnel"
	}
	return v.text, ""
}

// listen returns v if it is :port or address:port, and nothing if it is off.
func (v value) listen() (string, string) {
	if v.text == "off" && v.tag == "!!str" {
		return "", ""
	}
	text := v.text
	if strings.HasPrefix(text, ":") {
		text = "0.0.0.0" + text
	}
	if ap, err := netip.ParseAddrPort(text); err != nil || ap.Port() == 0 || v.tag != "!!str" {
		return "", "is not accepted"
	}
	return v.text, ""
}

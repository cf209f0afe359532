// Package sysctl is the policy on kernel settings: which keys under
// net.ipv4.conf matter to a real server behind LVS/TUN, which values are
// right, and why; how the kernel combines the key of a device with that of
// "all"; and how keys are read and written.
//
// Policy ([Profile], [Rule.Judge]) is pure. Only [Tree] touches the system.
package sysctl

import (
	"fmt"
	"strings"
)

// All is the scope whose value the kernel combines with that of every device;
// Default is the scope whose values a device inherits when it is created, and
// also later, for every key that was never written on the device itself.
const (
	All     = "all"
	Default = "default"
)

// Key names one setting, net.ipv4.conf.<Scope>.<Name>. Scope is All, Default
// or the name of a device. Keys are comparable.
type Key struct {
	Scope string
	Name  string
}

// String returns the key as sysctl(8) takes it. A dot in a device's name is
// written as a slash (net.ipv4.conf.eth0/100.rp_filter), as procps and systemd
// both expect: a dot there would separate.
func (k Key) String() string {
	return "net.ipv4.conf." + strings.ReplaceAll(k.Scope, ".", "/") + "." + k.Name
}

// ParseKey is the inverse of String. It returns an error for anything that is
// not a key under net.ipv4.conf.
func ParseKey(s string) (Key, error) {
	rest, ok := strings.CutPrefix(s, "net.ipv4.conf.")
	if !ok {
		return Key{}, fmt.Errorf("sysctl %q: not under net.ipv4.conf", s)
	}
	scope, name, ok := strings.Cut(rest, ".")
	if !ok || scope == "" || name == "" || strings.ContainsAny(name, "./") {
		return Key{}, fmt.Errorf("sysctl %q: want net.ipv4.conf.<device>.<name>", s)
	}
	return Key{Scope: strings.ReplaceAll(scope, "/", "."), Name: name}, nil
}

// MarshalText and UnmarshalText make keys usable as JSON object keys.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText parses what MarshalText wrote.
func (k *Key) UnmarshalText(b []byte) (err error) {
	*k, err = ParseKey(string(b))
	return err
}

// Compare orders keys as the profile lists them and humans read them: by name
// in the profile's order, then all before devices, then by device name.
func Compare(a, b Key) int {
	if d := rank(a.Name) - rank(b.Name); d != 0 {
		return d
	}
	if a.Scope == b.Scope {
		return 0
	}
	if a.Scope == All || (b.Scope != All && a.Scope < b.Scope) {
		return -1
	}
	return 1
}

func rank(name string) int {
	for i, n := range Names {
		if n == name {
			return i
		}
	}
	return len(Names)
}

// Package sysctl is the policy on kernel settings: which keys under
// net.ipv4.conf and net.ipv6.conf matter to a real server behind LVS/TUN, which
// values are right, and why; how the kernel combines the key of a device with
// that of "all"; and how keys are read and written.
//
// Policy ([Profile], [Rule.Judge]) is pure. Only [Tree] and [Get] touch the
// system, through github.com/lorenzosaino/go-sysctl.
package sysctl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// All is the scope whose value the kernel combines with that of every device;
// Default is the scope whose values a device inherits when it is created, and
// also later, for every key that was never written on the device itself.
const (
	All     = "all"
	Default = "default"
)

// A Family is an address family that has settings of its own. The zero value is
// IPv4.
type Family uint8

// The families.
const (
	IPv4 Family = iota
	IPv6
)

// String returns the name of the family's folder in /proc/sys/net.
func (f Family) String() string {
	if f == IPv6 {
		return "ipv6"
	}
	return "ipv4"
}

// Key names one setting, net.<Family>.conf.<Scope>.<Name>. Scope is All,
// Default or the name of a device. Keys are comparable.
type Key struct {
	Family Family
	Scope  string
	Name   string
}

// String returns the key as sysctl(8) takes it. A dot in a device's name is
// written as a slash (net.ipv4.conf.eth0/100.rp_filter), as procps and systemd
// both expect: a dot there would separate.
func (k Key) String() string {
	return "net." + k.Family.String() + ".conf." + strings.ReplaceAll(k.Scope, ".", "/") + "." + k.Name
}

// Path returns where the key is below /proc/sys: net/ipv4/conf/eth0.100/rp_filter.
func (k Key) Path() string {
	return "net/" + k.Family.String() + "/conf/" + k.Scope + "/" + k.Name
}

// ParseKey is the inverse of String. It returns an error for anything that is
// not a key under net.ipv4.conf or net.ipv6.conf.
func ParseKey(s string) (Key, error) {
	for _, family := range []Family{IPv4, IPv6} {
		rest, ok := strings.CutPrefix(s, "net."+family.String()+".conf.")
		if !ok {
			continue
		}
		scope, name, ok := strings.Cut(rest, ".")
		if !ok || scope == "" || name == "" || strings.ContainsAny(name, "./") {
			return Key{}, fmt.Errorf("sysctl %q: want net.%s.conf.<device>.<name>", s, family)
		}
		return Key{Family: family, Scope: strings.ReplaceAll(scope, "/", "."), Name: name}, nil
	}
	return Key{}, fmt.Errorf("sysctl %q: not under net.ipv4.conf or net.ipv6.conf", s)
}

// MarshalText and UnmarshalText make keys usable as JSON object keys.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText parses what MarshalText wrote.
func (k *Key) UnmarshalText(b []byte) (err error) {
	*k, err = ParseKey(string(b))
	return err
}

// Compare orders keys as the profile lists them and humans read them: IPv4
// first, then by name in the profile's order, then all before devices, then by
// device name. It is 0 for equal keys only.
func Compare(a, b Key) int {
	return cmp.Or(
		cmp.Compare(a.Family, b.Family), rank(a.Name)-rank(b.Name), strings.Compare(a.Name, b.Name),
		number(b.Scope == All)-number(a.Scope == All), strings.Compare(a.Scope, b.Scope))
}

// rank puts names without a rule last.
func rank(name string) int {
	if i := slices.Index(Names, name); i >= 0 {
		return i
	}
	return len(Names)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// special lists what is an IPv4 address but cannot be that of a VIP or of a
// director, with the reason; the first match counts. That the address of a
// network's broadcast is none either can only be known on the host.
var special = []struct {
	prefix netip.Prefix
	wrong  string
}{
	{netip.MustParsePrefix("0.0.0.0/32"), "is the unspecified address: want the real one"},
	{netip.MustParsePrefix("0.0.0.0/8"), "is in 0.0.0.0/8, which no host can have"},
	{netip.MustParsePrefix("127.0.0.0/8"), "is a loopback address, which never leaves a host"},
	{netip.MustParsePrefix("169.254.0.0/16"), "is a link-local address, which no router forwards"},
	{netip.MustParsePrefix("224.0.0.0/4"), "is a multicast address: want a unicast one"},
	{netip.MustParsePrefix("255.255.255.255/32"), "is the broadcast address: want a unicast one"},
	{netip.MustParsePrefix("240.0.0.0/4"), "is in 240.0.0.0/4, which is reserved"},
}

// ParseAddr returns the address in text, if a real server or a director can
// have it.
func ParseAddr(text string) (netip.Addr, error) {
	addr, wrong := parseAddr(text)
	if wrong != "" {
		return netip.Addr{}, fmt.Errorf("%s %s", printable(text), wrong)
	}
	return addr, nil
}

// parseAddr returns the IPv4 unicast address in text, which may have the
// prefix length 32; or else a few words on what is wrong.
func parseAddr(text string) (netip.Addr, string) {
	host, bits, prefixed := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(host)
	switch {
	case err == nil && addr.Is6():
		return addr, "is an IPv6 address: IPv6 is not supported yet"
	case err != nil:
		return addr, "is not an IPv4 address: want four numbers 0..255, as in 172.25.84.100"
	case prefixed && bits != "32":
		return addr, fmt.Sprintf("is a prefix: want one address, %s or %s/32", addr, addr)
	}
	for _, s := range special {
		if s.prefix.Contains(addr) {
			return addr, s.wrong
		}
	}
	return addr, ""
}

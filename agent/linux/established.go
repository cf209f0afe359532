package linux

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Established returns how many established TCP connections from other hosts
// there are to any of the addresses, as seen by the namespace of the calling
// thread.
func Established(addrs []netip.Addr) (int, error) {
	wanted := map[netip.Addr]bool{}
	for _, a := range addrs {
		wanted[a] = true
	}
	n := 0
	// A socket that listens on all IPv6 addresses accepts IPv4 ones too, and
	// those connections are listed as IPv6.
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netlink.SocketDiagTCP(family)
		if err != nil {
			return 0, fmt.Errorf("connections: %w", err)
		}
		for _, s := range sockets {
			local, ok := netip.AddrFromSlice(s.ID.Source)
			// This host's own, such as a service check, has the VIP at both ends.
			own := s.ID.Source.Equal(s.ID.Destination)
			if ok && !own && s.State == netlink.TCP_ESTABLISHED && wanted[local.Unmap()] {
				n++
			}
		}
	}
	return n, nil
}

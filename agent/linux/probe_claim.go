package linux

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// documentation are the networks that nobody has (RFC 5737). An address out of
// them is taken from the top, since examples and people begin at the bottom.
var documentation = [][3]byte{{192, 0, 2}, {198, 51, 100}, {203, 0, 113}}

const (
	highest = 254
	lowest  = 224
)

var errNoFreeAddress = errors.New("every network reserved for documentation (RFC 5737) is in use here, so there is no address for a client that is nobody")

// claim routes an address to the device which nobody uses and nobody has a
// route to but the default one. It begins with the network of that number.
func (p *ProbeDevice) claim(avoid []netip.Addr, first int) (netip.Addr, error) {
	for i := range documentation {
		network := documentation[(first+i)%len(documentation)]
		for last := highest; last >= lowest; last-- {
			addr := netip.AddrFrom4([4]byte{network[0], network[1], network[2], byte(last)})
			if slices.Contains(avoid, addr) || !p.unused(addr) {
				continue
			}
			err := p.route(addr)
			if errors.Is(err, unix.EEXIST) { // another probe was faster
				continue
			}
			return addr, err
		}
	}
	return netip.Addr{}, errNoFreeAddress
}

// unused reports whether only a default route leads to addr, or none, or one
// that says that nobody is there.
func (p *ProbeDevice) unused(addr netip.Addr) bool {
	routes, err := p.handle.RouteGetWithOptions(addr.AsSlice(), &netlink.RouteGetOptions{FIBMatch: true})
	switch {
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH): // none, or unreachable
		return true
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EACCES): // blackhole, prohibit
		return true
	case err != nil:
		return false
	}
	return !slices.ContainsFunc(routes, func(r netlink.Route) bool {
		if r.Type != unix.RTN_UNICAST {
			return true
		}
		if r.Dst == nil {
			return false
		}
		bits, _ := r.Dst.Mask.Size()
		return bits > 0
	})
}

func (p *ProbeDevice) route(addr netip.Addr) error {
	r := &netlink.Route{
		LinkIndex: p.index, Dst: host(addr), Scope: unix.RT_SCOPE_LINK,
		Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_UNICAST,
	}
	if err := p.handle.RouteAdd(r); err != nil {
		return fmt.Errorf("ip route add %s dev %s table local: %w", addr, p.name, err)
	}
	return nil
}

package agenttest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"rsagent/agent"
)

// addAddr follows __inet_insert_ifa in net/ipv4/devinet.c: the same address
// with the same prefix on the same device is EEXIST; with another prefix, or
// on another device, it is another address. Primary addresses come before
// secondary ones, and those of host scope before those of the world. To try it
// is enough to pin the device's settings.
func (h *host) addAddr(d *device, a address) error {
	if len(a.label) > maxName {
		return syscall.ERANGE
	}
	if a.label == "" {
		a.label = d.Name
	}
	d.conf.pin()
	primaries := 0
	for i, other := range d.addrs {
		if !other.secondary && (other.local || !a.local) {
			primaries = i + 1
		}
		if other.prefix.Masked() != a.prefix.Masked() {
			continue
		}
		if other.prefix == a.prefix {
			return syscall.EEXIST
		}
		if other.local != a.local {
			return syscall.EINVAL
		}
		a.secondary = true
	}
	at := len(d.addrs)
	if !a.secondary {
		at = primaries
	}
	d.addrs = slices.Insert(d.addrs, at, a)
	h.hint(agent.Hint{Addrs: []netip.Addr{a.prefix.Addr()}})
	return nil
}

// deleteAddr removes an address, and with a primary one the secondary ones of
// its network (promote_secondaries=0).
func (h *host) deleteAddr(d *device, prefix netip.Prefix) error {
	i := slices.IndexFunc(d.addrs, func(a address) bool { return a.prefix == prefix })
	if i < 0 {
		return syscall.EADDRNOTAVAIL
	}
	primary := !d.addrs[i].secondary
	d.addrs = slices.Delete(d.addrs, i, i+1)
	gone := []netip.Addr{prefix.Addr()}
	if primary {
		d.addrs = slices.DeleteFunc(d.addrs, func(a address) bool {
			along := a.secondary && a.prefix.Masked() == prefix.Masked()
			if along {
				gone = append(gone, a.prefix.Addr())
			}
			return along
		})
	}
	if len(d.addrs) == 0 {
		h.forgetRoutes(d)
	}
	h.hint(agent.Hint{Addrs: gone})
	return nil
}

func (h *host) flush(d *device) {
	for len(d.addrs) > 0 {
		_ = h.deleteAddr(d, d.addrs[0].prefix)
	}
}

// relabel follows inetdev_changename: the first address takes the device's
// name for its label, the others keep what came after the colon, or get their
// number.
func (d *device) relabel() {
	for i := range d.addrs {
		a := &d.addrs[i]
		_, suffix, ok := strings.Cut(a.label, ":")
		a.label = d.Name
		if i == 0 {
			continue
		}
		suffix = ":" + suffix
		if !ok {
			suffix = fmt.Sprintf(":%d", i+1)
		}
		room := max(0, maxName-len(suffix))
		a.label = d.Name[:min(len(d.Name), room)] + suffix
	}
}

// addRoute adds a default route. The gateway must be in a network of the
// device.
func (h *host) addRoute(g agent.Gateway) error {
	d, err := h.named(g.Device)
	switch {
	case err != nil:
		return err
	case !d.Up, !slices.ContainsFunc(d.addrs, func(a address) bool { return a.prefix.Contains(g.Via) }):
		return syscall.ENETUNREACH
	case len(h.routes) > 0:
		return syscall.EEXIST // same destination, same metric
	}
	h.routes = append(h.routes, g)
	return nil
}

func (h *host) forgetRoutes(d *device) {
	h.routes = slices.DeleteFunc(h.routes, func(g agent.Gateway) bool { return g.Device == d.Name })
}

// source is the address chosen for traffic that takes the default route
// (inet_select_addr): of the gateway's network, else the device's first, else
// the first that any device has.
func (h *host) source() netip.Addr {
	if len(h.routes) == 0 {
		return netip.Addr{}
	}
	g := h.routes[0]
	out, err := h.device(g.Device)
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range out.addrs {
		if !a.secondary && a.prefix.Contains(g.Via) {
			return a.prefix.Addr()
		}
	}
	for _, d := range append([]*device{out}, h.devices...) {
		for _, a := range d.addrs {
			if !a.secondary && !a.prefix.Addr().IsLoopback() {
				return a.prefix.Addr()
			}
		}
	}
	return netip.Addr{}
}

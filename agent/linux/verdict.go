package linux

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"rsagent/agent"
)

// strangers are addresses reserved for documentation (RFC 5737): clients that
// stand for the whole world, since nobody has a route for them but the default.
var strangers = []netip.Addr{
	netip.AddrFrom4([4]byte{192, 0, 2, 1}),
	netip.AddrFrom4([4]byte{198, 51, 100, 1}),
	netip.AddrFrom4([4]byte{203, 0, 113, 1}),
}

// verdicts asks the kernel, for each VIP, what it would do with a packet from
// a client that comes out of the tunnel (ip route get VIP from CLIENT iif
// tunl0). The errno of a refusal differs between kernels, so only "local"
// counts as a yes. VIPs refused for a client from afar are asked again for a
// client on link.
func (k *Host) verdicts(vips []netip.Addr, tunnel int, addrs []agent.Addr) (map[netip.Addr]agent.Verdict, error) {
	out := make(map[netip.Addr]agent.Verdict, len(vips))
	if err := k.ask(out, vips, stranger(addrs), tunnel); err != nil {
		return nil, err
	}
	refused := slices.DeleteFunc(slices.Clone(vips), func(vip netip.Addr) bool { return out[vip].Local })
	neighbour, ok := neighbour(addrs, tunnel)
	if len(refused) == 0 || !ok {
		return out, nil
	}
	near := map[netip.Addr]agent.Verdict{}
	if err := k.ask(near, refused, neighbour, tunnel); err != nil {
		return nil, err
	}
	for vip, v := range near {
		if v.Local {
			out[vip] = agent.Verdict{Local: true, OnLinkOnly: true, Text: out[vip].Text}
		}
	}
	return out, nil
}

func (k *Host) ask(out map[netip.Addr]agent.Verdict, vips []netip.Addr, client netip.Addr, tunnel int) error {
	requests := make([]*nl.NetlinkRequest, len(vips))
	for i, vip := range vips {
		requests[i] = routeRequest(vip, client, tunnel)
	}
	for i, answer := range k.conn.exchange(requests) {
		if answer.lost {
			return fmt.Errorf("route lookup: %w", answer.err)
		}
		out[vips[i]] = verdict(answer)
	}
	return nil
}

func routeRequest(dst, src netip.Addr, iif int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, unix.NLM_F_REQUEST)
	req.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET, Dst_len: 32, Src_len: 32}})
	req.AddData(nl.NewRtAttr(unix.RTA_DST, dst.AsSlice()))
	req.AddData(nl.NewRtAttr(unix.RTA_SRC, src.AsSlice()))
	req.AddData(nl.NewRtAttr(unix.RTA_IIF, nl.Uint32Attr(uint32(iif))))
	return req
}

func verdict(a answer) agent.Verdict {
	if a.err != nil {
		return agent.Verdict{Text: "rejected (" + a.err.Error() + ")"}
	}
	if a.message == nil {
		return agent.Verdict{Text: "no answer"}
	}
	msg := nl.DeserializeRtMsg(a.message.Data)
	if msg.Type == unix.RTN_LOCAL {
		return agent.Verdict{Local: true}
	}
	return agent.Verdict{Text: routeText(msg, a.message)}
}

func routeText(msg *nl.RtMsg, m *syscall.NetlinkMessage) string {
	names := map[uint8]string{
		unix.RTN_UNICAST: "forwarded", unix.RTN_BROADCAST: "broadcast", unix.RTN_MULTICAST: "multicast",
		unix.RTN_BLACKHOLE: "blackhole", unix.RTN_UNREACHABLE: "unreachable", unix.RTN_PROHIBIT: "prohibited",
	}
	text, ok := names[msg.Type]
	if !ok {
		text = fmt.Sprintf("route type %d", msg.Type)
	}
	attrs, err := nl.ParseRouteAttr(m.Data[unix.SizeofRtMsg:])
	if err != nil {
		return text
	}
	for _, a := range attrs {
		if a.Attr.Type == unix.RTA_GATEWAY && len(a.Value) == net.IPv4len {
			text += " via " + net.IP(a.Value).String()
		}
	}
	return text
}

// stranger returns a documentation address in none of the networks that this
// host is in.
func stranger(addrs []agent.Addr) netip.Addr {
	for _, s := range strangers {
		if !slices.ContainsFunc(addrs, func(a agent.Addr) bool { return a.Prefix.Contains(s) }) {
			return s
		}
	}
	return strangers[0]
}

// neighbour returns an address in a directly connected network that is not
// ours.
func neighbour(addrs []agent.Addr, tunnel int) (netip.Addr, bool) {
	for _, a := range addrs {
		if a.Index == tunnel || a.Prefix.Bits() > 30 || a.Prefix.Addr().IsLoopback() {
			continue
		}
		candidate := a.Prefix.Masked().Addr().Next()
		if holds(addrs, candidate) {
			candidate = candidate.Next()
		}
		if !holds(addrs, candidate) {
			return candidate, true
		}
	}
	return netip.Addr{}, false
}

func holds(addrs []agent.Addr, addr netip.Addr) bool {
	return slices.ContainsFunc(addrs, func(a agent.Addr) bool { return a.Prefix.Addr() == addr })
}

// wayOut returns the gateway and the source that this host would use towards
// the world. One look-up tells it, where a dump of the routes could mean a
// million of them. No route at all is not an error. Where one stranger is
// refused, as by a blackhole for such addresses, the next is asked about.
func (k *Host) wayOut(links []agent.Link, addrs []agent.Addr) (gateways []agent.Gateway, source netip.Addr, err error) {
	var routes []netlink.Route
	for _, s := range append([]netip.Addr{stranger(addrs)}, strangers...) {
		if routes, err = k.handle.RouteGet(s.AsSlice()); err == nil {
			break
		}
	}
	if noRoute(err) {
		err = nil
	}
	for _, r := range routes {
		if src, ok := netip.AddrFromSlice(r.Src.To4()); ok {
			source = src
		}
		via, ok := netip.AddrFromSlice(r.Gw.To4())
		if !ok || r.Type != unix.RTN_UNICAST {
			continue
		}
		device := "?"
		if i := slices.IndexFunc(links, func(l agent.Link) bool { return l.Index == r.LinkIndex }); i >= 0 {
			device = links[i].Name
		}
		gateways = append(gateways, agent.Gateway{Via: via, Device: device})
	}
	return gateways, source, err
}

// noRoute reports whether a look-up was answered, and the answer was no.
func noRoute(err error) bool {
	for _, e := range []error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EINVAL, unix.EACCES} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

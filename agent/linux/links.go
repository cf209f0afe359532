package linux

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/sysctl"
)

// A link is a device together with its settings under net.ipv4.conf, which the
// kernel sends along in the same dump: one reading for all of them, many times
// cheaper than a file each, and consistent.
type link struct {
	agent.Link
	conf map[string]int // by sysctl name; nil if IPv4 is off on the device
}

// forwarding is read because a missing VIP is worse where it is on.
const forwarding = "forwarding"

// devconf maps the settings to their index in IFLA_INET_CONF, which is
// IPV4_DEVCONF_* less one (include/uapi/linux/ip.h).
var devconf = map[string]int{
	forwarding:         0,
	sysctl.RPFilter:    7,
	sysctl.ARPAnnounce: 17,
	sysctl.ARPIgnore:   18,
}

// attribute numbers that neither the library nor x/sys names.
const (
	inetConf  = 1      // IFLA_INET_CONF
	skipStats = 1 << 3 // RTEXT_FILTER_SKIP_STATS
)

// links returns all devices of the namespace, in the kernel's order.
func (k *Host) links() ([]link, error) {
	return redump("link dump", func() ([]link, error) {
		req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		// Statistics, and the virtual functions that the library would ask
		// for, are slow to collect and not looked at.
		req.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipStats)))
		var out []link
		err := k.conn.dump(req, unix.RTM_NEWLINK, func(m []byte) error {
			l, err := parseLink(m)
			out = append(out, l)
			return err
		})
		return out, err
	})
}

func parseLink(m []byte) (link, error) {
	parsed, err := netlink.LinkDeserialize(nil, m)
	if err != nil {
		return link{}, err
	}
	attrs := parsed.Attrs()
	out := link{Link: agent.Link{
		Index: attrs.Index, Name: attrs.Name, MTU: attrs.MTU,
		Up: attrs.RawFlags&unix.IFF_UP != 0,
	}}
	if kind := parsed.Type(); kind != "device" {
		out.Kind = kind
	}
	if t, ok := parsed.(*netlink.Iptun); ok {
		out.Local, out.Remote, out.External = specific(t.Local), specific(t.Remote), t.FlowBased
		out.Bound = attrs.ParentIndex != 0
	}
	if out.conf, err = parseConf(m[unix.SizeofIfInfomsg:]); err != nil {
		return link{}, err
	}
	// Without IPv4 (an MTU below 68) a device answers no ARP.
	out.ARP = attrs.RawFlags&(unix.IFF_NOARP|unix.IFF_LOOPBACK) == 0 && out.conf != nil
	return out, nil
}

// specific returns the zero Addr for "any".
func specific(ip net.IP) netip.Addr {
	addr, ok := netip.AddrFromSlice(ip.To4())
	if !ok || addr.IsUnspecified() {
		return netip.Addr{}
	}
	return addr
}

// parseConf finds IFLA_AF_SPEC / AF_INET / IFLA_INET_CONF, an array of 32-bit
// values. It returns nil if the device has none.
func parseConf(attrs []byte) (map[string]int, error) {
	for _, want := range []uint16{unix.IFLA_AF_SPEC, unix.AF_INET, inetConf} {
		parsed, err := nl.ParseRouteAttr(attrs)
		if err != nil {
			return nil, fmt.Errorf("link attributes: %w", err)
		}
		attrs = nil
		for _, a := range parsed {
			if a.Attr.Type&^unix.NLA_F_NESTED == want {
				attrs = a.Value
			}
		}
		if attrs == nil {
			return nil, nil
		}
	}
	conf := map[string]int{}
	for name, i := range devconf {
		if len(attrs) >= 4*(i+1) {
			conf[name] = int(int32(nl.NativeEndian().Uint32(attrs[4*i:])))
		}
	}
	return conf, nil
}

// passing reports whether a dump that failed so may succeed when repeated.
func passing(err error) bool {
	for _, e := range []error{netlink.ErrDumpInterrupted, nl.ErrDumpInterrupted, unix.EINTR, unix.ENOBUFS, unix.EBUSY} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// redump repeats a dump that was interrupted by changes. What such a dump
// returns is incomplete, and would look like drift.
func redump[T any](what string, dump func() (T, error)) (T, error) {
	const tries = 10
	for i := 0; ; i++ {
		out, err := dump()
		if err == nil {
			return out, nil
		}
		if !passing(err) || i == tries-1 {
			var none T
			return none, fmt.Errorf("%s: %w", what, err)
		}
		time.Sleep(time.Duration(i) * time.Duration(1+rand.IntN(5)) * time.Millisecond)
	}
}

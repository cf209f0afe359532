package linux

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"rsagent/sysctl"
)

// placeholder is the probe device's only address. Loose reverse path filtering
// drops whatever comes in on a device without any (net/ipv4/fib_frontend.c,
// no_addr). One out of 127.0.0.0/8, of host scope, is local already, is never
// answered for over ARP and never chosen as a source.
var placeholder = netip.AddrFrom4([4]byte{127, 4, 4, 4})

// ProbeDevice is a TUN device through which packets are put into this host's
// own stack, and answers are taken out of it: what is written arrives as if it
// had come over a wire, and what the host sends to Client or Stranger is read.
//
// It touches no real network and leaves nothing behind. Its routes are host
// routes for two addresses reserved for documentation (RFC 5737) which nobody
// here uses or has a route to, in the table "local", which rule 0 consults
// before any other: so that no policy routing for the VIPs takes the answers
// out over a NIC. They, the address and the settings go with the device, and
// the device with the file descriptor, even after a SIGKILL.
//
// It stays in the network namespace in which it was opened. Read and Write may
// be used concurrently; the other methods are safe beside them.
type ProbeDevice struct {
	file             *os.File
	name             string
	index            int
	handle           *netlink.Handle
	settings         *sysctl.Tree
	counters         counterFiles
	client, stranger netip.Addr
}

// OpenProbeDevice makes the device, in the network namespace of the calling
// thread. It needs CAP_NET_ADMIN and /dev/net/tun; without them the error
// satisfies errors.Is for fs.ErrPermission and fs.ErrNotExist. None of avoid
// becomes Client or Stranger.
func OpenProbeDevice(avoid ...netip.Addr) (*ProbeDevice, error) {
	p := &ProbeDevice{settings: sysctl.Open("")}
	if err := p.open(avoid); err != nil {
		return nil, errors.Join(fmt.Errorf("probe device: %w", err), p.Close())
	}
	return p, nil
}

func (p *ProbeDevice) open(avoid []netip.Addr) (err error) {
	if p.file, p.name, err = openTUN(); err != nil {
		return err
	}
	if p.counters, err = openCounters(); err != nil {
		return err
	}
	if p.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	if err = p.handle.SetSocketTimeout(timeout); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	link, err := p.handle.LinkByName(p.name)
	if err != nil {
		return fmt.Errorf("ip link show %s: %w", p.name, err)
	}
	p.index = link.Attrs().Index
	if err = p.prepare(); err != nil {
		return err
	}
	return p.bringUp(link, avoid)
}

// prepare makes the device's own reverse path filter loose. The kernel takes
// the larger of all and the device (ip-sysctl.rst); so the packets that enter
// here pass whatever all says, as long as there is a way back to their sender,
// and what rp_filter does to them is done at the tunnel, where it is looked for.
func (p *ProbeDevice) prepare() error {
	// Of no use here, and it would make the kernel send router solicitations.
	_ = p.settings.Write(sysctl.Key{Family: sysctl.IPv6, Scope: p.name, Name: "disable_ipv6"}, 1) // there may be no IPv6
	return p.loosen()
}

func (p *ProbeDevice) loosen() error {
	own := sysctl.Key{Scope: p.name, Name: sysctl.RPFilter}
	if v, err := p.settings.Read(own); err == nil && v == 2 {
		return nil
	}
	return p.settings.Write(own, 2)
}

// EchoIgnored reports whether this host answers no echo request at all.
func (p *ProbeDevice) EchoIgnored() bool {
	v, err := p.settings.ReadGlobal(sysctl.IPv4, "icmp_echo_ignore_all")
	return err == nil && v == 1
}

// queue is how many answers may wait to be read.
const queue = 4096

func (p *ProbeDevice) bringUp(link netlink.Link, avoid []netip.Addr) error {
	if err := p.handle.LinkSetTxQLen(link, queue); err != nil {
		return fmt.Errorf("ip link set dev %s txqueuelen %d: %w", p.name, queue, err)
	}
	addr := &netlink.Addr{IPNet: host(placeholder), Scope: unix.RT_SCOPE_HOST}
	if err := p.handle.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("ip addr add %s dev %s: %w", addr, p.name, err)
	}
	if err := p.handle.LinkSetUp(link); err != nil {
		return fmt.Errorf("ip link set dev %s up: %w", p.name, err)
	}
	var err error
	if p.client, err = p.claim(avoid, 0); err != nil {
		return err
	}
	p.stranger, err = p.claim(append(slices.Clone(avoid), p.client), 1)
	return err
}

// Read returns one packet that the host has sent to Client or Stranger.
func (p *ProbeDevice) Read(b []byte) (int, error) { return p.file.Read(b) }

// Write lets one packet arrive. The host has, as a rule, processed it when
// Write returns.
func (p *ProbeDevice) Write(packet []byte) (int, error) { return p.file.Write(packet) }

// SetReadDeadline makes Read fail with os.ErrDeadlineExceeded from t on.
func (p *ProbeDevice) SetReadDeadline(t time.Time) error { return p.file.SetReadDeadline(t) }

// Counters returns the kernel's counters, under the names that nstat(8) prints
// (IpInUnknownProtos, TcpExtIPReversePathFilter …), and the packets received
// by each device as rx/<device>.
func (p *ProbeDevice) Counters() (map[string]uint64, error) { return p.counters.read() }

// Name is the device's name.
func (p *ProbeDevice) Name() string { return p.name }

// Client is an address for the sender of an inner packet.
func (p *ProbeDevice) Client() netip.Addr { return p.client }

// Stranger is an address for the sender of an outer packet. What the kernel
// has to say about that packet comes back here.
func (p *ProbeDevice) Stranger() netip.Addr { return p.stranger }

// Check returns an error if the device has been tampered with, so that the
// answers would not come back to it. It restores the device's own rp_filter,
// which udev may have overwritten (99-systemd.rules replays sysctl.d).
func (p *ProbeDevice) Check() error {
	if err := p.loosen(); err != nil {
		return fmt.Errorf("probe device: %w", err)
	}
	for _, addr := range []netip.Addr{p.client, p.stranger} {
		routes, err := p.handle.RouteGet(addr.AsSlice())
		if err != nil {
			return fmt.Errorf("probe device: ip route get %s: %w", addr, err)
		}
		if len(routes) == 0 || routes[0].LinkIndex != p.index {
			return fmt.Errorf("probe device: the route to %s is not through %s any more", addr, p.name)
		}
	}
	return nil
}

// Passes reports whether the device's reverse path filter lets a packet from
// addr in: whether there is a way to it, which is not this host.
func (p *ProbeDevice) Passes(addr netip.Addr) bool {
	routes, err := p.handle.RouteGet(addr.AsSlice())
	return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_UNICAST
}

// Close removes the device and everything that was made with it.
func (p *ProbeDevice) Close() error {
	var errs []error
	if p.file != nil {
		errs = append(errs, p.file.Close())
	}
	errs = append(errs, p.settings.Close())
	if p.handle != nil {
		p.handle.Close()
	}
	return errors.Join(append(errs, p.counters.close())...)
}

func host(addr netip.Addr) *net.IPNet {
	return &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(32, 32)}
}

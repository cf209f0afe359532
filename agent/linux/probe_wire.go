package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"rsagent/agent/packet"
)

// ProbeWire sends whole packets to a real server over the real network, and
// reads what comes back from a VIP. It is what a probe from a director's place
// needs. It changes nothing on this host.
//
// What comes back is caught at the network device, because a director has the
// VIP itself, and its IP stack drops packets that claim to be from there.
type ProbeWire struct {
	send  int // raw, headers included
	catch *os.File
	rip   netip.Addr
	local netip.Addr
	mtu   int
}

// OpenProbeWire opens the sockets in the network namespace of the calling
// thread. It needs CAP_NET_RAW. A RIP without a route is an error.
func OpenProbeWire(rip, vip netip.Addr) (*ProbeWire, error) {
	if !rip.Is4() || !vip.Is4() {
		return nil, fmt.Errorf("probe wire: RIP %s, VIP %s: want IPv4 addresses", rip, vip)
	}
	w := &ProbeWire{send: -1, rip: rip}
	if err := w.open(vip); err != nil {
		return nil, errors.Join(fmt.Errorf("probe wire: %w", err), w.Close())
	}
	return w, nil
}

func (w *ProbeWire) open(vip netip.Addr) (err error) {
	if w.local, w.mtu, err = facing(w.rip); err != nil {
		return err
	}
	if w.send, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
		return fmt.Errorf("raw socket: %w", err)
	}
	w.catch, err = openCatch(vip)
	return err
}

// facing returns the source address and the MTU that this host uses towards
// addr.
func facing(addr netip.Addr) (netip.Addr, int, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("netlink: %w", err)
	}
	defer handle.Close()
	if err := handle.SetSocketTimeout(timeout); err != nil {
		return netip.Addr{}, 0, fmt.Errorf("netlink: %w", err)
	}
	routes, err := handle.RouteGet(addr.AsSlice())
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("ip route get %s: %w", addr, err)
	}
	if len(routes) == 0 {
		return netip.Addr{}, 0, fmt.Errorf("ip route get %s: no route", addr)
	}
	source, ok := netip.AddrFromSlice(routes[0].Src.To4())
	if !ok {
		return netip.Addr{}, 0, fmt.Errorf("ip route get %s: no source address", addr)
	}
	link, err := handle.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("ip link show: %w", err)
	}
	return source, link.Attrs().MTU, nil
}

// openCatch returns a packet socket on all devices that hands out incoming
// IPv4 packets from vip, and ICMP. Its filter is in place before the first
// packet is: a director has more traffic than anybody wants to copy.
func openCatch(vip netip.Addr) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	program := fromVIP(vip)
	if err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err == nil {
		err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	}
	if err == nil {
		const ipv4 = unix.ETH_P_IP>>8 | unix.ETH_P_IP<<8&0xff00 // in network byte order
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: ipv4})
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "packet socket"), nil
}

// fromVIP is: accept protocol ICMP and source vip, nothing else. Offsets count
// from the IPv4 header (packet(7), SOCK_DGRAM).
func fromVIP(vip netip.Addr) []unix.SockFilter {
	const protocolAt, sourceAt, whole = 9, 12, 0xffff
	b := vip.As4()
	source := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: protocolAt},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_ICMP, Jt: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: sourceAt},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: source, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: whole},
	}
}

// Local is this host's own address towards the RIP: the source for inner and
// outer packets, so that answers come here.
func (w *ProbeWire) Local() netip.Addr { return w.local }

// MTU is that of the device towards the RIP. Larger packets are not sent.
func (w *ProbeWire) MTU() int { return w.mtu }

// Write sends one packet, outer header included, to the RIP. One that is larger
// than MTU is EMSGSIZE. The kernel fills in the header's checksum (raw(7)).
func (w *ProbeWire) Write(b []byte) (int, error) {
	if err := unix.Sendto(w.send, b, 0, &unix.SockaddrInet4{Addr: w.rip.As4()}); err != nil {
		return 0, fmt.Errorf("send to %s: %w", w.rip, err)
	}
	return len(b), nil
}

// Read returns one packet that has come in, its IPv4 header first. The TCP
// checksum of one that never saw a wire, since it comes from another virtual
// machine or a namespace of this one, was left to be computed, and is computed
// here.
func (w *ProbeWire) Read(b []byte) (int, error) {
	raw, err := w.catch.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n, auxiliary int
	var failed error
	aux := make([]byte, unix.CmsgSpace(sizeofAuxdata))
	err = raw.Read(func(fd uintptr) bool {
		n, auxiliary, _, _, failed = unix.Recvmsg(int(fd), b, aux, 0)
		return !errors.Is(failed, unix.EAGAIN)
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, err
	}
	if unfinished(aux[:auxiliary]) {
		packet.CompleteTCP(b[:n])
	}
	return n, nil
}

const sizeofAuxdata = 20 // struct tpacket_auxdata, packet(7)

// unfinished reports whether the kernel says that it has not yet computed the
// packet's checksum.
func unfinished(control []byte) bool {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(messages, func(m unix.SocketControlMessage) bool {
		return m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= 4 &&
			binary.NativeEndian.Uint32(m.Data)&unix.TP_STATUS_CSUMNOTREADY != 0
	})
}

// SetReadDeadline makes Read fail with os.ErrDeadlineExceeded from t on.
func (w *ProbeWire) SetReadDeadline(t time.Time) error { return w.catch.SetReadDeadline(t) }

// Close closes the sockets.
func (w *ProbeWire) Close() error {
	var errs []error
	if w.send >= 0 {
		errs = append(errs, unix.Close(w.send))
		w.send = -1
	}
	if w.catch != nil {
		errs = append(errs, w.catch.Close())
	}
	return errors.Join(errs...)
}

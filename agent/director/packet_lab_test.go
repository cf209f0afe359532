//go:build lab && linux

package director

import (
	"bytes"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rsagent/agent/packet"
)

// encapsulatesAsKernel catches what IPVS sends into the tunnel, and wraps the same inner packet itself: the two must be
// equal to the last bit, whatever the inner packet's TOS, TTL and DF.
func encapsulatesAsKernel(t *testing.T) {
	d := openKernel(t)
	s := Service{VIP: vip, Port: 53, Protocol: UDP, Scheduler: "rr"}
	ok(t, d.AddService(s))
	ok(t, d.AddRealServer(s, RealServer{RIP: rs1, Weight: 1}))
	wire := openWire(t, "dir0")
	for _, c := range []struct{ tos, ttl, discover int }{
		{0, 64, unix.IP_PMTUDISC_DO},
		{0, 33, unix.IP_PMTUDISC_DONT},
		{0xb8, 2, unix.IP_PMTUDISC_DO},
		{0xb9, 64, unix.IP_PMTUDISC_DONT},
		{0x02, 255, unix.IP_PMTUDISC_DO},
		{0xbb, 64, unix.IP_PMTUDISC_DO}, // congestion experienced
	} {
		sendWith(t, map[int]int{unix.IP_TOS: c.tos, unix.IP_TTL: c.ttl, unix.IP_MTU_DISCOVER: c.discover})
		caught := catchIPIP(t, wire)
		outer, inner, err := packet.Parse(caught)
		ok(t, err)
		h, _, err := packet.Parse(inner)
		ok(t, err)
		// The director is a hop: it takes one off the TTL before it wraps the packet.
		if int(h.TOS) != c.tos || int(h.TTL) != c.ttl-1 || h.DF != (c.discover == unix.IP_PMTUDISC_DO) || outer.Dst != rs1 {
			t.Errorf("%+v: not what was sent: inner %+v, outer %+v", c, h, outer)
		}
		ours, err := packet.Encapsulate(inner, packet.Outer{Src: outer.Src, Dst: outer.Dst, Protocol: packet.ProtocolIPIP, ID: outer.ID})
		ok(t, err)
		if !bytes.Equal(ours, caught) {
			t.Errorf("%+v:\nkernel %x\n  ours %x", c, caught, ours)
		}
	}
}

// sendWith sends a datagram to the VIP from a socket with these options of level IPPROTO_IP.
func sendWith(t *testing.T, options map[int]int) {
	t.Helper()
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			for option, value := range options {
				if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, option, value); err != nil {
					failed = err
				}
			}
		})
		if err != nil {
			return err
		}
		return failed
	}}
	conn, err := dialer.Dial("udp4", "172.25.84.100:53")
	ok(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("0123456789"))
	ok(t, err)
}

// openWire listens to what goes over a device, from the network header on.
func openWire(t *testing.T, device string) int {
	t.Helper()
	// In network byte order. A socket for one protocol alone would not see what this host sends.
	const all = unix.ETH_P_ALL << 8
	wire, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, all)
	ok(t, err)
	t.Cleanup(func() { ok(t, unix.Close(wire)) })
	nic, err := net.InterfaceByName(device)
	ok(t, err)
	ok(t, unix.Bind(wire, &unix.SockaddrLinklayer{Protocol: all, Ifindex: nic.Index}))
	timeout := unix.NsecToTimeval(int64(10 * time.Second))
	ok(t, unix.SetsockoptTimeval(wire, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout))
	return wire
}

// catchIPIP returns the next packet of protocol 4; the device also carries neighbour discovery and the like.
func catchIPIP(t *testing.T, wire int) []byte {
	t.Helper()
	for {
		b := make([]byte, 65535)
		n, _, err := unix.Recvfrom(wire, b, 0)
		ok(t, err)
		if h, _, err := packet.Parse(b[:n]); err == nil && h.Protocol == packet.ProtocolIPIP {
			return b[:n]
		}
	}
}

//go:build bench

package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What the observer and the reference programs speak: netlink by hand, nothing of rsagent's and nothing between them
// and the kernel.

// route opens a netlink socket in the calling thread's namespace, with a limit on how long it waits.
func route(wait time.Duration, groups ...int) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return -1, err
	}
	for _, g := range groups {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g); err != nil {
			return -1, err
		}
	}
	tv := unix.NsecToTimeval(int64(wait))
	return fd, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
}

// addrMessage is a request to add or delete a /32.
func addrMessage(kind uint16, flags uint16, index int, addr netip.Addr, label string) []byte {
	body := []byte{unix.AF_INET, 32, 0, 0}
	body = binary.NativeEndian.AppendUint32(body, uint32(index))
	body = appendAttr(body, unix.IFA_LOCAL, addr.AsSlice())
	body = appendAttr(body, unix.IFA_ADDRESS, addr.AsSlice())
	if label != "" {
		body = appendAttr(body, unix.IFA_LABEL, append([]byte(label), 0))
	}
	m := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	m = binary.NativeEndian.AppendUint16(m, kind)
	m = binary.NativeEndian.AppendUint16(m, unix.NLM_F_REQUEST|flags)
	m = append(m, 1, 0, 0, 0, 0, 0, 0, 0) // sequence 1, port chosen by the kernel
	return append(m, body...)
}

func appendAttr(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%unix.RTA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

// send sends a request.
func send(fd int, m []byte) error {
	return unix.Sendto(fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// receive waits on, whatever signals the runtime sends its threads.
func receive(fd int, buf []byte) (int, error) {
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// acked sends a request and waits for the kernel's answer to it.
func acked(fd int, m []byte) error {
	if err := send(fd, m); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	n, err := receive(fd, buf)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 {
		return fmt.Errorf("short answer of %d bytes", n)
	}
	if code := int32(binary.NativeEndian.Uint32(buf[unix.SizeofNlMsghdr:])); code != 0 {
		return syscall.Errno(-code)
	}
	return nil
}

// An event is what we read out of an announcement: an address, or the rp_filter of all (index -1) or a device.
type event struct {
	kind     uint16
	addr     netip.Addr
	index    int32
	rpFilter int32 // -1: not said
}

// events reads the announcements of one receive, each given to f.
func events(fd int, buf []byte, f func(event)) error {
	n, err := receive(fd, buf)
	if err != nil {
		return err
	}
	for b := buf[:n]; len(b) >= unix.SizeofNlMsghdr; {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			break
		}
		f(parseEvent(binary.NativeEndian.Uint16(b[4:]), b[unix.SizeofNlMsghdr:size]))
		b = b[min((size+3)&^3, len(b)):]
	}
	return nil
}

func parseEvent(kind uint16, body []byte) event {
	e := event{kind: kind, rpFilter: -1}
	header := 4 // netconfmsg, padded
	if kind == unix.RTM_NEWADDR || kind == unix.RTM_DELADDR {
		header = unix.SizeofIfAddrmsg
	}
	for rest := body[min(header, len(body)):]; len(rest) >= unix.SizeofRtAttr; {
		size := int(binary.NativeEndian.Uint16(rest))
		if size < unix.SizeofRtAttr || size > len(rest) {
			break
		}
		e.read(binary.NativeEndian.Uint16(rest[2:]), rest[unix.SizeofRtAttr:size])
		rest = rest[min((size+3)&^3, len(rest)):]
	}
	return e
}

// Attributes of a netconf message (linux/netconf.h).
const (
	netconfIndex    = 1
	netconfRPFilter = 3
)

func (e *event) read(attr uint16, value []byte) {
	if len(value) != 4 {
		return
	}
	switch addr := e.kind == unix.RTM_NEWADDR || e.kind == unix.RTM_DELADDR; {
	case addr && attr == unix.IFA_LOCAL:
		e.addr = netip.AddrFrom4([4]byte(value))
	case !addr && attr == netconfIndex:
		e.index = int32(binary.NativeEndian.Uint32(value))
	case !addr && attr == netconfRPFilter:
		e.rpFilter = int32(binary.NativeEndian.Uint32(value))
	}
}

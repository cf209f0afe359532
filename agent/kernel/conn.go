package kernel

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// batchSize is how many requests go into one sendmsg. Each answer occupies a
// few kilobytes of the receive buffer until it is read, and an unprivileged
// process gets no more than net.core.rmem_max.
const batchSize = 64

// receiveBuffer holds the answers to a batch many times over.
const receiveBuffer = 4 << 20

// A conn is a netlink socket on which many requests are sent at once and
// answered in order. The library sends one at a time, and waiting for each
// answer is most of the time it takes to add an address.
type conn struct {
	socket *nl.NetlinkSocket
	pid    uint32
	seq    uint32
}

func dial() (*conn, error) {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	c := &conn{socket: s}
	if c.pid, err = s.GetPid(); err != nil {
		s.Close()
		return nil, err
	}
	tv := unix.NsecToTimeval(int64(timeout))
	_ = s.SetReceiveTimeout(&tv) // cannot fail
	if s.SetReceiveBufferSize(receiveBuffer, true) != nil {
		_ = s.SetReceiveBufferSize(receiveBuffer, false) // as large as allowed
	}
	// Errors then come without a copy of the request, and with a reason.
	_ = unix.SetsockoptInt(s.GetFd(), unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	return c, nil
}

func (c *conn) close() { c.socket.Close() }

// dump sends a request for a dump and calls each with every message of the
// given type, until one returns an error, which dump then returns.
func (c *conn) dump(req *nl.NetlinkRequest, kind uint16, each func(m []byte) error) error {
	handle := &nl.SocketHandle{Socket: c.socket, Seq: c.seq}
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: handle}
	var stopped error
	err := req.ExecuteIter(unix.NETLINK_ROUTE, kind, func(m []byte) bool {
		stopped = each(m)
		return stopped == nil
	})
	c.seq = handle.Seq
	return errors.Join(err, stopped)
}

// An answer is what the kernel said to one request.
type answer struct {
	message *syscall.NetlinkMessage // nil for a bare acknowledgement
	err     error                   // errno
}

// exchange sends the requests in order, batchSize at a time, and returns one
// answer for each. Requests without NLM_F_ACK and without a reply of their own
// are taken as done when a later one is answered; so that there is a later
// one, the last of each batch gets NLM_F_ACK. The error means that the socket
// failed and that nothing is known about the requests without an answer.
func (c *conn) exchange(requests []*nl.NetlinkRequest) ([]answer, error) {
	answers := make([]answer, len(requests))
	for start := 0; start < len(requests); start += batchSize {
		end := min(start+batchSize, len(requests))
		if err := c.batch(requests[start:end], answers[start:end]); err != nil {
			return answers, err
		}
	}
	return answers, nil
}

func (c *conn) batch(requests []*nl.NetlinkRequest, answers []answer) error {
	first := c.seq + 1
	var buf []byte
	for i, r := range requests {
		c.seq++
		r.Seq = c.seq
		if i == len(requests)-1 {
			r.Flags |= unix.NLM_F_ACK
		}
		buf = append(buf, r.Serialize()...)
	}
	if err := unix.Sendto(c.socket.GetFd(), buf, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("netlink send: %w", err)
	}
	deadline := time.Now().Add(timeout)
	for {
		messages, from, err := c.socket.Receive()
		if err != nil {
			return fmt.Errorf("netlink receive: %w", err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("netlink receive: %w", unix.ETIMEDOUT)
		}
		if from.Pid != nl.PidKernel {
			continue
		}
		for i := range messages {
			m := &messages[i]
			at := int(m.Header.Seq - first) // late answers to an earlier batch are out of range
			if m.Header.Pid != c.pid || at < 0 || at >= len(answers) {
				continue
			}
			if m.Header.Type != unix.NLMSG_ERROR {
				answers[at].message = m
				continue
			}
			answers[at].err = errno(m.Data)
			if at == len(answers)-1 {
				return nil
			}
		}
	}
}

func errno(data []byte) error {
	if len(data) < 4 {
		return unix.EBADMSG
	}
	if n := int32(nl.NativeEndian().Uint32(data)); n != 0 {
		return syscall.Errno(-n)
	}
	return nil
}

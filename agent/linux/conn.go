package linux

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"

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
	pid    atomic.Uint32
	seq    uint32
	broken bool // an exchange was cut short, and its rest may still come
	buffer []byte
}

func dial() (*conn, error) {
	c := &conn{buffer: make([]byte, nl.RECEIVE_BUFFER_SIZE)}
	return c, c.redial()
}

// redial replaces the socket by a new one.
func (c *conn) redial() error {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	pid, err := s.GetPid()
	if err != nil {
		s.Close()
		return err
	}
	if c.socket != nil {
		c.socket.Close()
	}
	c.socket, c.broken = s, false
	c.pid.Store(pid)
	tv := unix.NsecToTimeval(int64(timeout))
	_ = s.SetReceiveTimeout(&tv) // cannot fail
	if s.SetReceiveBufferSize(receiveBuffer, true) != nil {
		_ = s.SetReceiveBufferSize(receiveBuffer, false) // as large as allowed
	}
	// Errors then come without a copy of the request, and with a reason.
	_ = unix.SetsockoptInt(s.GetFd(), unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	return nil
}

// usable returns an error if there is no socket on which to begin anew.
func (c *conn) usable() error {
	if !c.broken {
		return nil
	}
	return c.redial()
}

// port is the number under which the kernel knows the socket, and which
// announcements carry of changes that were asked for on it.
func (c *conn) port() uint32 { return c.pid.Load() }

func (c *conn) close() { c.socket.Close() }

// dump sends a request for a dump and calls each with every message of the
// given type, until one returns an error, which dump then returns.
func (c *conn) dump(req *nl.NetlinkRequest, kind uint16, each func(m []byte) error) error {
	if err := c.usable(); err != nil {
		return err
	}
	handle := &nl.SocketHandle{Socket: c.socket, Seq: c.seq}
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: handle}
	var stopped error
	err := req.ExecuteIter(unix.NETLINK_ROUTE, kind, func(m []byte) bool {
		stopped = each(m)
		return stopped == nil
	})
	c.seq = handle.Seq
	// Whether the kernel or the socket said no is not to be told apart.
	c.broken = err != nil && !errors.Is(err, nl.ErrDumpInterrupted)
	return errors.Join(err, stopped)
}

// An answer is what the kernel said to one request.
type answer struct {
	message *syscall.NetlinkMessage // nil for a bare acknowledgement
	err     error                   // errno; the socket's error if lost
	lost    bool                    // nothing is known about the request
}

// exchange sends the requests in order, batchSize at a time, and returns one
// answer for each. Requests without NLM_F_ACK and without a reply of their own
// are taken as done when a later one is answered; so that there is a later
// one, the last of each batch gets NLM_F_ACK. When the socket fails, the
// answers to the requests of that batch that had none and to all later ones
// are lost.
func (c *conn) exchange(requests []*nl.NetlinkRequest) []answer {
	answers := make([]answer, len(requests))
	err := c.usable()
	for start := 0; start < len(requests); start += batchSize {
		end := min(start+batchSize, len(requests))
		if err == nil {
			err = c.batch(requests[start:end], answers[start:end])
		}
		if err == nil {
			continue
		}
		c.broken = true
		for i := start; i < end; i++ {
			if answers[i].err == nil && answers[i].message == nil {
				answers[i] = answer{err: err, lost: true}
			}
		}
	}
	return answers
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
	for {
		messages, err := c.receive()
		if err != nil {
			return err
		}
		for i := range messages {
			m := &messages[i]
			at := int(m.Header.Seq - first) // late answers to an earlier batch are out of range
			if m.Header.Pid != c.port() || at < 0 || at >= len(answers) {
				continue
			}
			if m.Header.Type != unix.NLMSG_ERROR {
				m.Data = bytes.Clone(m.Data) // the buffer is used again
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

// receive returns what the kernel says next. The library's call makes a new
// buffer of 64 kB each time. What is returned is valid until the next call.
func (c *conn) receive() ([]syscall.NetlinkMessage, error) {
	for {
		n, from, err := unix.Recvfrom(c.socket.GetFd(), c.buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("netlink receive: %w", err)
		}
		if sender, ok := from.(*unix.SockaddrNetlink); ok && sender.Pid == nl.PidKernel {
			return syscall.ParseNetlinkMessage(c.buffer[:n])
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

package linux

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"rsagent/agent"
)

// watched are the multicast groups that carry news about what we look at:
// devices, IPv4 addresses, rp_filter, and what decides on the kernel's verdict.
// The kernel does not announce arp_* (net/ipv4/devinet.c), so the loop's
// interval is the floor.
var watched = []int{
	unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV4_ROUTE,
}

// newsBuffer holds the announcements of a few thousand changes.
const newsBuffer = 4 << 20

// newsAtOnce is more than the buffer holds: when so much has been read and more
// is there, it comes faster than we read.
const newsAtOnce = 1 << 14

// A news reads what the kernel announces, in its order. Whoever wants to know
// how things are now reads what has come so far, see catchUp: the kernel has
// announced a change before it answers the request for it.
type news struct {
	mu     sync.Mutex // held while messages are received and told
	file   *os.File
	conn   syscall.RawConn // of file
	ended  syscall.RawConn // readable when nobody shall wait any longer
	end    func()
	buffer []byte
	most   int // messages to read at once, see receive
	tell   func(messages []syscall.NetlinkMessage, lost, atOnce bool) (repaired bool)
}

// subscribe opens the network namespace of the calling thread. The library's
// socket cannot be read by two in one order.
func subscribe(tell func(messages []syscall.NetlinkMessage, lost, atOnce bool) bool) (*news, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	n := &news{file: os.NewFile(uintptr(fd), "netlink news"), buffer: make([]byte, 64<<10), most: newsAtOnce, tell: tell}
	err = errors.Join(attachFilter(fd), unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	for _, group := range watched {
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group))
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, newsBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, newsBuffer) // as large as allowed
	}
	if err == nil {
		err = n.closeable()
	}
	if err != nil {
		_ = n.file.Close()
		return nil, fmt.Errorf("netlink: %w", err)
	}
	return n, nil
}

// closeable prepares what wait and close need.
func (n *news) closeable() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	n.end = func() { _, _ = w.Close(), r.Close() }
	conn, err := n.file.SyscallConn()
	ended, err2 := r.SyscallConn()
	n.conn, n.ended = conn, ended
	return errors.Join(err, err2)
}

// attachFilter keeps routes off the socket that are none of our business: a
// host may learn a million. Those of the local table and default routes pass
// (rtm_table and rtm_dst_len of struct rtmsg behind struct nlmsghdr).
func attachFilter(fd int) error {
	const typeAt, dstLenAt, tableAt = 4, unix.SizeofNlMsghdr + 1, unix.SizeofNlMsghdr + 4
	pass, drop := uint32(0xffffffff), uint32(0)
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: typeAt},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: swapped(unix.RTM_NEWROUTE), Jt: 1},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: swapped(unix.RTM_DELROUTE), Jf: 4},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: tableAt},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.RT_TABLE_LOCAL, Jt: 2},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: dstLenAt},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: pass},
		{Code: unix.BPF_RET | unix.BPF_K, K: drop},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}

// swapped is a 16-bit field of a netlink header, which is in the machine's
// order, as the filter loads it, in network order.
func swapped(v uint16) uint32 {
	b := (*[2]byte)(unsafe.Pointer(&v))
	return uint32(b[0])<<8 | uint32(b[1])
}

// wait blocks until something was announced and told, and returns how much, and
// whether something was repaired, after which more may be waiting. An error
// means that the socket is no more. It blocks the thread: the runtime's poller
// would wake another one first, and hand over to this.
func (n *news) wait() (heard int, repaired bool, err error) {
	closed := n.conn.Control(func(fd uintptr) {
		closed := n.ended.Control(func(end uintptr) {
			for heard == 0 && err == nil {
				heard, repaired, err = n.poll(int(fd), int(end))
			}
		})
		err = errors.Join(err, closed)
	})
	return heard, repaired, errors.Join(err, closed)
}

func (n *news) poll(fd, end int) (heard int, repaired bool, err error) {
	files := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(end), Events: unix.POLLIN}}
	switch _, err := unix.Poll(files, -1); {
	case errors.Is(err, unix.EINTR):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	case files[1].Revents != 0:
		return 0, false, os.ErrClosed
	}
	return n.receive(fd, true)
}

// catchUp tells what was announced so far.
func (n *news) catchUp() error {
	var err error
	if ended := n.conn.Control(func(fd uintptr) { _, _, err = n.receive(int(fd), false) }); ended != nil {
		return ended
	}
	return err
}

// receive reads until nothing is waiting, or something was repaired, which may
// be if it is to be atOnce. Where that does not end, the rest counts as lost
// for now, so that nobody waits for the end of a storm.
func (n *news) receive(fd int, atOnce bool) (heard int, repaired bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for range n.most {
		size, from, err := unix.Recvfrom(fd, n.buffer, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return heard, false, nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS): // something was said and missed
			n.tell(nil, true, false)
			heard++
			continue
		case err != nil:
			return heard, false, err
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != nl.PidKernel {
			continue
		}
		messages, err := syscall.ParseNetlinkMessage(n.buffer[:size])
		heard++
		if n.tell(messages, err != nil, atOnce) {
			return heard, true, nil
		}
	}
	n.tell(nil, true, false)
	return heard, false, nil
}

func (n *news) close() {
	n.end()
	_ = n.file.Close()
}

// A storm is more than stormNews announcements in a stormWindow. Hearing each
// of them when it comes would cost more than making them, so there is a
// stormPause between two times of listening then. Whoever observes has heard
// what was announced nonetheless, see catchUp.
const (
	stormNews   = 100
	stormWindow = 100 * time.Millisecond
	stormPause  = 5 * time.Millisecond
)

type storm struct {
	begin time.Time // of the window
	heard int       // in it
	rages bool      // as the last window was
}

// pause returns how long not to listen now that so much more was heard.
func (s *storm) pause(heard int, now time.Time) time.Duration {
	s.heard += heard
	if now.Sub(s.begin) >= stormWindow {
		s.rages = s.heard > stormNews && now.Sub(s.begin) < 2*stormWindow
		s.begin, s.heard = now, 0
	}
	if s.rages || s.heard > stormNews {
		return stormPause
	}
	return 0
}

// everything is the hint after news were lost.
var everything = agent.Hint{All: true}

//go:build lab

package audit

import (
	"bytes"
	"encoding/binary"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func mustRecord(t testing.TB) *Requesters {
	t.Helper()
	r, err := OpenRequesters(netNS(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// An announcement is what the kernel says of an address that came or went.
type announcement struct {
	addr      [4]byte
	port, seq uint32
}

// announced returns what the kernel announces from now on in the namespace of
// the calling thread, one at a time.
func announced(t testing.TB) func() announcement {
	t.Helper()
	fd := bind(t, unix.SockaddrNetlink{Groups: unix.RTMGRP_IPV4_IFADDR}).fd
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 64<<10)
	var waiting []announcement
	return func() announcement {
		t.Helper()
		for len(waiting) == 0 {
			n, _, err := unix.Recvfrom(fd, buffer, 0)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				t.Fatalf("no announcement: %v", err)
			}
			messages, err := syscall.ParseNetlinkMessage(buffer[:n])
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range messages {
				waiting = append(waiting, parse(t, &m))
			}
		}
		first := waiting[0]
		waiting = waiting[1:]
		return first
	}
}

func parse(t testing.TB, m *syscall.NetlinkMessage) announcement {
	t.Helper()
	a := announcement{port: m.Header.Pid, seq: m.Header.Seq}
	attrs, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, attr := range attrs {
		if attr.Attr.Type == unix.IFA_LOCAL {
			copy(a.addr[:], attr.Value)
		}
	}
	return a
}

// A port is a netlink socket that asks under a number of its own choice.
type port struct {
	fd     int
	number uint32
}

func bind(t testing.TB, to unix.SockaddrNetlink) port {
	t.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	to.Family = unix.AF_NETLINK
	if err := unix.Bind(fd, &to); err != nil {
		t.Fatal(err)
	}
	return port{fd, to.Pid}
}

// remove asks for an address of lo to be deleted. The header names another
// port, as it may: the kernel does not care.
func (p port) remove(t testing.TB, seq uint32, addr [4]byte) {
	t.Helper()
	var b bytes.Buffer
	for _, part := range []any{
		unix.NlMsghdr{Len: 32, Type: unix.RTM_DELADDR, Flags: unix.NLM_F_REQUEST, Seq: seq, Pid: p.number + 1},
		unix.IfAddrmsg{Family: unix.AF_INET, Prefixlen: 32, Index: 1},
		unix.RtAttr{Len: 8, Type: unix.IFA_LOCAL}, addr,
	} {
		if err := binary.Write(&b, binary.NativeEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Sendto(p.fd, b.Bytes(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatal(err)
	}
}

// elsewhere runs f in a thread of this name and in a network namespace of its own.
func elsewhere(t *testing.T, name string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		inNamespaces(t, unix.CLONE_NEWNET)
		rename(t, name)
		f()
	}()
	<-done
}

// rename names the calling thread, which must be locked.
func rename(t testing.TB, name string) {
	t.Helper()
	if err := os.WriteFile("/proc/thread-self/comm", []byte(name), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ioctlDown takes a device down as ifconfig does.
func ioctlDown(t testing.TB, name string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		t.Fatal(err)
	}
}

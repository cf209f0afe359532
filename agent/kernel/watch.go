package kernel

import (
	"context"
	"errors"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// watched are the multicast groups that carry news about what we look at:
// devices, IPv4 addresses, and rp_filter. The kernel does not announce arp_*
// (net/ipv4/devinet.c), so the loop's interval is the floor.
var watched = []uint{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_NETCONF}

// Watch gives a hint whenever the kernel announces a change, and one when the
// announcements were lost (ENOBUFS) and everything has to be looked at. It
// must be called from the network namespace that is to be watched.
func (k *Kernel) Watch(ctx context.Context) <-chan struct{} {
	hints := make(chan struct{}, 1)
	socket, err := subscribe()
	go func() {
		defer close(hints)
		wait := 100 * time.Millisecond
		for {
			if err == nil {
				wait = 100 * time.Millisecond
				pump(ctx, socket, hints)
			}
			if ctx.Err() != nil {
				return
			}
			hint(hints)
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			wait = min(2*wait, 5*time.Second)
			socket, err = subscribe()
		}
	}()
	return hints
}

func subscribe() (*nl.NetlinkSocket, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, watched...)
	if err != nil {
		return nil, err
	}
	if s.SetReceiveBufferSize(1<<20, true) != nil {
		_ = s.SetReceiveBufferSize(1<<20, false)
	}
	return s, nil
}

// pump turns messages into hints until the socket fails or ctx ends. It closes
// the socket.
func pump(ctx context.Context, s *nl.NetlinkSocket, hints chan<- struct{}) {
	stop := context.AfterFunc(ctx, s.Close)
	defer func() {
		if stop() {
			s.Close()
		}
	}()
	for {
		// An overflow (ENOBUFS) is a hint like any other: something was said
		// and missed, and the hint means looking at everything.
		if _, _, err := s.Receive(); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		hint(hints)
	}
}

func hint(hints chan<- struct{}) {
	select {
	case hints <- struct{}{}:
	default:
	}
}

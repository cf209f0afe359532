//go:build bench

package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"rsagent/agent/lab"
)

// patience is how long the observer waits for a repair. Longer is a failure of the bench, not a slow sample.
const patience = 20 * time.Second

// An observer tampers with a host and sees from outside when the kernel's state is right again: its own sockets, no
// process to start, and nothing of the agent's. The clock starts before the tampering's system call.
type observer struct {
	host   *lab.Host
	heard  int // announcements
	said   int // requests
	index  int // of the tunnel
	buffer []byte
}

const tunnel = "tunl0"

func observe(h *lab.Host) (*observer, error) {
	o := &observer{host: h, buffer: make([]byte, 1<<16)}
	err := h.Do(func() (err error) {
		if o.heard, err = route(patience, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_NETCONF); err != nil {
			return err
		}
		if o.said, err = route(patience); err != nil {
			return err
		}
		device, err := net.InterfaceByName(tunnel)
		if err != nil {
			return err
		}
		o.index = device.Index
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: observer: %w", h.Name, err)
	}
	return o, nil
}

func (o *observer) close() {
	_ = unix.Close(o.heard)
	_ = unix.Close(o.said)
}

// forget discards what was announced until now.
func (o *observer) forget() {
	for {
		if _, _, err := unix.Recvfrom(o.heard, o.buffer, unix.MSG_DONTWAIT); errors.Is(err, unix.EAGAIN) {
			return
		}
	}
}

// deleteVIP deletes an address, and returns how long it took to come back.
func (o *observer) deleteVIP(vip netip.Addr, index int) (time.Duration, error) {
	o.forget()
	start := time.Now()
	if err := acked(o.said, addrMessage(unix.RTM_DELADDR, unix.NLM_F_ACK, index, vip, "")); err != nil {
		return 0, fmt.Errorf("%s: delete %s: %w", o.host.Name, vip, err)
	}
	return o.until(start, "the VIP back", func(e event) bool { return e.kind == unix.RTM_NEWADDR && e.addr == vip })
}

// filter makes a rp_filter 1, and returns how long it took to be 0 again.
func (o *observer) filter(device string) (time.Duration, error) {
	index := int32(o.index)
	if device == "all" {
		index = -1
	}
	key, err := o.open(device, "rp_filter")
	if err != nil {
		return 0, err
	}
	defer unix.Close(key)
	o.forget()
	start := time.Now()
	if _, err := unix.Pwrite(key, []byte("1"), 0); err != nil {
		return 0, fmt.Errorf("%s: %s rp_filter: %w", o.host.Name, device, err)
	}
	return o.until(start, device+".rp_filter 0 again", func(e event) bool {
		return e.kind == unix.RTM_NEWNETCONF && e.index == index && e.rpFilter == 0
	})
}

func (o *observer) until(start time.Time, what string, seen func(event) bool) (time.Duration, error) {
	for time.Since(start) < patience {
		took := time.Duration(0)
		err := events(o.heard, o.buffer, func(e event) {
			if took == 0 && seen(e) {
				took = time.Since(start)
			}
		})
		if err != nil {
			return 0, fmt.Errorf("%s: waiting for %s: %w", o.host.Name, what, err)
		}
		if took > 0 {
			return took, nil
		}
	}
	return 0, fmt.Errorf("%s: not %s within %v", o.host.Name, what, patience)
}

// poll writes a wrong value to a setting that the kernel does not announce, and reads it as fast as it can until it is
// what it was.
func (o *observer) poll(device, name, wrong string) (time.Duration, error) {
	key, err := o.open(device, name)
	if err != nil {
		return 0, err
	}
	defer unix.Close(key)
	right, now := make([]byte, 16), make([]byte, 16)
	n, err := unix.Pread(key, right, 0)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if _, err := unix.Pwrite(key, []byte(wrong), 0); err != nil {
		return 0, fmt.Errorf("%s: %s %s: %w", o.host.Name, device, name, err)
	}
	for time.Since(start) < patience {
		if m, err := unix.Pread(key, now, 0); err == nil && bytes.Equal(right[:n], now[:m]) {
			return time.Since(start), nil
		}
	}
	return 0, fmt.Errorf("%s: %s.%s not right again within %v", o.host.Name, device, name, patience)
}

// open opens a setting of the host: what is opened there stays the host's.
func (o *observer) open(device, name string) (int, error) {
	fd := -1
	err := o.host.Do(func() (err error) {
		fd, err = unix.Open("/proc/sys/net/ipv4/conf/"+device+"/"+name, unix.O_RDWR|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

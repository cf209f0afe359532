package linux

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ProbePrefix begins the name of every device that a probe makes. Nothing else
// may be concluded from such a device, and nothing done to it.
const ProbePrefix = "rsprobe"

const tunPath = "/dev/net/tun"

// openTUN creates a TUN device of the first free name rsprobe0, rsprobe1 … in
// the network namespace of the calling thread, and returns it with its name.
// It is down, it answers no ARP (it has no link layer), and it goes when the
// file is closed, whatever closes it: the end of the process, by a signal too
// (Documentation/networking/tuntap.rst: it is not persistent).
func openTUN() (*os.File, string, error) {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w%s", tunPath, err, tunAdvice(err))
	}
	req, err := unix.NewIfreq(ProbePrefix + "%d")
	if err == nil {
		// IFF_TUN_EXCL: never join a device that somebody else made.
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_TUN_EXCL)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, "", fmt.Errorf("ip tuntap add mode tun: %w", err)
	}
	// Only now: the runtime's poller would take a file without a device for
	// one that has failed.
	return os.NewFile(uintptr(fd), tunPath), req.Name(), nil
}

func tunAdvice(err error) string {
	switch {
	case errors.Is(err, unix.ENOENT):
		return " (modprobe tun, or PrivateDevices= in the unit)"
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return " (this kernel has no tun)"
	}
	return ""
}

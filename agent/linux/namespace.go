package linux

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"rsagent/sysctl"
)

// CanChange reports whether this process may change the network: whether it
// has CAP_NET_ADMIN. Being root is not asked for.
func CanChange() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[unix.CAP_NET_ADMIN/32].Effective&(1<<(unix.CAP_NET_ADMIN%32)) != 0
}

// Alone reports whether this is, as far as can be seen, the only network
// namespace of the machine. Where it cannot be seen the answer is false.
func Alone() bool {
	if named, err := os.ReadDir("/run/netns"); err == nil && len(named) > 0 {
		return false
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return false
	}
	processes, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return false
	}
	for _, p := range processes {
		theirs, err := os.Readlink(p)
		if os.IsNotExist(err) {
			continue // it has ended
		}
		if err != nil || theirs != ours {
			return false
		}
	}
	return true
}

// namespace returns what tells this boot and this network namespace from
// others: settings found in another one say nothing about this one.
func namespace() (boot, netns string, err error) {
	if boot, err = sysctl.Get("kernel.random.boot_id"); err != nil {
		return "", "", err
	}
	netns, err = os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return "", "", fmt.Errorf("network namespace: %w", err)
	}
	return boot, netns + cookie(), nil
}

// cookie returns the number of the network namespace that is never used again
// until the next boot, unlike the one that /proc shows. Kernels before 5.14
// have none.
func cookie() string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	n, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" cookie %d", n)
}

// awaitUdev waits until udev is done with a new device, if there is a udev
// that sees this namespace, or until the time set by Settle has passed.
func (k *Host) awaitUdev(ctx context.Context, index int) {
	if k.settle <= 0 || !udevRuns() {
		return
	}
	// systemd-udevd writes this file when it has processed the device.
	done := filepath.Join("/run/udev/data", "n"+strconv.Itoa(index))
	deadline := time.Now().Add(k.settle)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		if _, err := os.Stat(done); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func udevRuns() bool {
	if _, err := os.Stat("/run/udev/control"); err != nil {
		return false
	}
	host, err := os.Readlink("/proc/1/ns/net")
	if err != nil {
		return true // not allowed to look: take it that we are on the host
	}
	ours, err := os.Readlink("/proc/thread-self/ns/net")
	return err == nil && ours == host
}

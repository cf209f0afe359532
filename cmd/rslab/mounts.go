package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A mountpoint is one line of fstab(5).
type mountpoint struct {
	source, target, kind string
	flags                uintptr
	options              string
}

func mountAll(points ...mountpoint) error {
	for _, p := range points {
		if err := p.mount(); err != nil {
			return err
		}
	}
	return nil
}

func (p mountpoint) mount() error {
	if err := os.MkdirAll(p.target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(p.source, p.target, p.kind, p.flags, p.options); err != nil {
		return fmt.Errorf("mount -t %s -o %q %s %s: %w", p.kind, p.options, p.source, p.target, err)
	}
	return nil
}

// hostRoot is the host's root, at target. cache=loose is right since nobody else writes: what the host changes
// meanwhile need not be seen.
func hostRoot(target string) mountpoint {
	return mountpoint{"hostroot", target, "9p", unix.MS_RDONLY, "trans=virtio,version=9p2000.L,msize=262144,cache=loose"}
}

// enterHostRoot makes the host's root, under an overlay in memory, the root of this process.
func enterHostRoot() error {
	err := mountAll(
		hostRoot("/host"),
		mountpoint{"tmpfs", "/upper", "tmpfs", 0, "mode=0755,size=75%"},
	)
	if err != nil {
		return err
	}
	for _, dir := range []string{"/upper/new", "/upper/work", "/upper/root"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	root := mountpoint{"overlay", "/upper/root", "overlay", 0, "lowerdir=/host,upperdir=/upper/new,workdir=/upper/work"}
	if err := root.mount(); err != nil {
		return err
	}
	return switchRoot(root.target)
}

// switchRoot is switch_root(8), except that the few megabytes of the first root stay where they are.
func switchRoot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("mount --move %s /: %w", root, err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot %s: %w", root, err)
	}
	return os.Chdir("/")
}

// furnish gives the machine what a running system has besides its disk.
func furnish() error {
	const quiet = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	err := mountAll(
		mountpoint{"devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID, "mode=0755"},
		mountpoint{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0620,ptmxmode=0666"},
		mountpoint{"tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
		mountpoint{"proc", "/proc", "proc", quiet, ""},
	)
	if err != nil {
		return err
	}
	if err := mountSystem(); err != nil {
		return err
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, "/dev/"+name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := staticNode("/dev/net/tun", 10, 200); err != nil {
		return err
	}
	return nameHost()
}

// staticNode makes a device file that is there before its driver, whose module the first one who opens it makes the
// kernel load. On other machines kmod and systemd-tmpfiles make these.
func staticNode(path string, major, minor uint32) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(major, minor)))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("mknod %s: %w", path, err)
	}
	return nil
}

// mountSystem mounts what depends on the network namespace or must not be shared with the host.
func mountSystem() error {
	const quiet = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	err := mountAll(
		mountpoint{"sysfs", "/sys", "sysfs", quiet, ""},
		mountpoint{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755"},
	)
	if err != nil {
		return err
	}
	if err := os.WriteFile(labMarker, nil, 0o444); err != nil {
		return err
	}
	if err := os.Mkdir("/run/lock", 0o755); err != nil {
		return err
	}
	// A kernel without these is still good for most commands.
	for _, p := range []mountpoint{
		{"cgroup2", "/sys/fs/cgroup", "cgroup2", quiet, "nsdelegate"},
		{"bpf", "/sys/fs/bpf", "bpf", quiet, "mode=0700"},
	} {
		_ = p.mount()
	}
	return nil
}

// nameHost gives the machine its name and its loopback.
func nameHost() error {
	if err := unix.Sethostname([]byte("lab")); err != nil {
		return fmt.Errorf("hostname lab: %w", err)
	}
	return upLoopback()
}

func upLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("ip link set dev lo up: %w", err)
	}
	return nil
}

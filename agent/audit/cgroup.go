package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroupRoot opens the root of all cgroups (version 2), where a program sees
// every process of the host.
func cgroupRoot() (*os.File, error) {
	info, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("cgroup2: %w", err)
	}
	dir, err := openAmong(info, "")
	if dir != nil || err != nil {
		return dir, err
	}
	// Not every program sees what is mounted: ip netns exec hides all of /sys.
	if info, err := os.ReadFile("/proc/1/mountinfo"); err == nil {
		if dir, _ := openAmong(info, "/proc/1/root"); dir != nil {
			return dir, nil
		}
	}
	groups, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("cgroup2: %w", err)
	}
	if inUse(string(groups)) {
		return nil, errors.New("cgroup2: in use on this host, but not mounted here")
	}
	return mountRoot()
}

// openAmong opens the root of all cgroups where a mountinfo says it is, seen
// from below a directory. It returns nothing where there is none.
func openAmong(info []byte, below string) (*os.File, error) {
	var refused []error
	for _, at := range cgroupMounts(bytes.NewReader(info)) {
		dir, err := openRoot(below + at)
		if err == nil {
			return dir, nil
		}
		refused = append(refused, err)
	}
	return nil, errors.Join(refused...)
}

// cgroupMounts are the places where a mountinfo (proc_pid_mountinfo(5)) has
// the whole of cgroup2, not just a branch of it.
func cgroupMounts(info io.Reader) []string {
	var at []string
	for lines := bufio.NewScanner(info); lines.Scan(); {
		mount, filesystem, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(mount)
		if ok && len(fields) >= 6 && fields[3] == "/" && strings.HasPrefix(filesystem, "cgroup2 ") {
			at = append(at, unescape(fields[4]))
		}
	}
	return at
}

// unescape undoes the octal escapes of mountinfo: \040 is a blank.
func unescape(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// inUse reports whether a /proc/self/cgroup knows of cgroup2. Then somebody
// mounted it, and mounting it once more would reset the options that they gave
// (nsdelegate and such), since these belong to the hierarchy, not to the mount.
func inUse(groups string) bool {
	return strings.HasPrefix(groups, "0::") || strings.Contains(groups, "\n0::")
}

// openRoot opens a directory if it is the root of all cgroups. The root of a
// cgroup namespace, as a container has, looks the same in mountinfo, but is a
// cgroup like others and has a type; there we would see the container only.
func openRoot(at string) (*os.File, error) {
	dir, err := os.Open(at)
	if err != nil {
		return nil, fmt.Errorf("cgroup2: %w", err)
	}
	var fs unix.Statfs_t
	var st unix.Stat_t
	switch {
	case unix.Fstatfs(int(dir.Fd()), &fs) != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC:
		err = fmt.Errorf("cgroup2: %s is hidden by another mount", at)
	case !errors.Is(unix.Fstatat(int(dir.Fd()), "cgroup.type", &st, 0), unix.ENOENT):
		err = fmt.Errorf("cgroup2: %s is not the root of all cgroups", at)
	default:
		return dir, nil
	}
	_ = dir.Close()
	return nil, err
}

// mountRoot mounts cgroup2 nowhere: the mount is gone when the file is closed.
func mountRoot() (*os.File, error) {
	fs, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cgroup2: %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("cgroup2: %w", err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cgroup2: %w", err)
	}
	defer unix.Close(mount)
	return openRoot("/proc/self/fd/" + strconv.Itoa(mount))
}

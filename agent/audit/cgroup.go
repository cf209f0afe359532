package audit

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// cgroupRoot opens the root of all cgroups (version 2), where a program sees
// every process of the host: where systemd mounts it, alone or beside version 1,
// here or as process 1 sees it, since "ip netns exec" hides all of /sys. To mount
// it ourselves would take CAP_SYS_ADMIN, which we do without.
func cgroupRoot() (*os.File, error) {
	var refused []error
	for _, below := range []string{"", "/proc/1/root"} {
		for _, at := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
			dir, err := openRoot(below + at)
			if err == nil {
				return dir, nil
			}
			refused = append(refused, err)
		}
	}
	return nil, errors.Join(refused...)
}

// openRoot opens a directory if it is the root of all cgroups. The root of a
// cgroup namespace, as a container has, is a cgroup like others and has a type;
// there we would see the container only.
func openRoot(at string) (*os.File, error) {
	dir, err := os.Open(at)
	if err != nil {
		return nil, fmt.Errorf("cgroup2: %w", err)
	}
	var fs unix.Statfs_t
	var st unix.Stat_t
	switch {
	case unix.Fstatfs(int(dir.Fd()), &fs) != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC:
		err = fmt.Errorf("cgroup2: not mounted at %s", at)
	case !errors.Is(unix.Fstatat(int(dir.Fd()), "cgroup.type", &st, 0), unix.ENOENT):
		err = fmt.Errorf("cgroup2: %s is not the root of all cgroups", at)
	default:
		return dir, nil
	}
	_ = dir.Close()
	return nil, err
}

package audit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCgroupMounts(t *testing.T) {
	t.Parallel()
	const (
		unified = "35 25 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
		hybrid  = "36 35 0:31 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw\n"
		v1      = "37 35 0:32 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory\n"
		branch  = "38 25 0:30 /system.slice /mnt rw - cgroup2 cgroup2 rw\n"
		outside = "39 25 0:30 /../.. /mnt rw - cgroup2 cgroup2 rw\n"
		blank   = `40 25 0:30 / /mnt/a\040b\134c\012 rw master:1 shared:2 - cgroup2 none rw` + "\n"
		named   = "41 25 0:33 / /cgroup2 rw - tmpfs cgroup2 rw\n"
	)
	for _, row := range []struct {
		name, info string
		want       []string
	}{
		{"nothing", "", nil},
		{"unified", unified, []string{"/sys/fs/cgroup"}},
		{"hybrid", v1 + hybrid, []string{"/sys/fs/cgroup/unified"}},
		{"a branch only", v1 + branch + outside, nil},
		{"several", branch + unified + blank, []string{"/sys/fs/cgroup", "/mnt/a b\\c\n"}},
		{"by name only", named, nil},
		{"cut off", "35 25 0:30 /\n - cgroup2 cgroup2 rw\n", nil},
	} {
		if diff := cmp.Diff(row.want, cgroupMounts(strings.NewReader(row.info))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "/a": "/a", `\`: `\`, `\04`: `\04`, `\040`: " ", `x\0401`: "x 1", `\999`: `\999`, `\777`: `\777`} {
		if got := unescape(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	for groups, want := range map[string]bool{
		"":                                  false,
		"0::/init.scope\n":                  true,
		"2:cpu:/\n1:name=systemd:/\n0::/\n": true,
		"10::/\n2:cpu:/\n1:name=systemd:/init:0::/": false,
	} {
		if got := inUse(groups); got != want {
			t.Errorf("%q: got %v", groups, got)
		}
	}
}

func TestOpenRootRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, at := range []string{t.TempDir(), t.TempDir() + "/absent"} {
		if dir, err := openRoot(at); err == nil {
			t.Errorf("got %s", dir.Name())
		}
	}
}

//go:build lab

package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// openAs opens Writes in a process of another user, with these capabilities and
// no others, has it record one write, and returns what it prints.
func openAs(t *testing.T, write func(), caps ...uintptr) map[string]string {
	t.Helper()
	child := exec.Command("/proc/self/exe", "-test.run=^TestWithoutPrivilege$")
	child.Env = append(os.Environ(), "AUDIT_CHILD=1")
	child.Stderr = os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: caps}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		said[name] = value
		if name == "ready" {
			write()
		}
	}
	if err := child.Wait(); err != nil {
		t.Errorf("child: %v", err)
	}
	return said
}

// child is what the process of openAs does.
func child(t *testing.T) {
	before := traces(t)
	s, err := OpenWrites(Options{Buffer: 4096})
	if err != nil {
		fmt.Printf("permission=%v\nerror=%s\n", errors.Is(err, fs.ErrPermission), strings.ReplaceAll(err.Error(), "\n", "; "))
		if diff := cmp.Diff(before, traces(t)); diff != "" {
			t.Errorf("left behind (-before +after):\n%s", diff)
		}
		return
	}
	fmt.Printf("named=%v\nbetter=%v\n", s.NamesWriter(), s.BetterErr() != nil)
	l := listen(t, s)
	fmt.Println("ready=")
	w := l.next(t)
	fmt.Printf("key=%s\nold=%s\nnew=%s\nuid=%d\npid=%d\ncomm=%s\nnetns=%d\n", w.Key, w.Old, w.New, w.UID, w.PID, w.Comm, w.NetNS)
}

// traces is what an attempt could leave in its own process.
func traces(t *testing.T) string {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		t.Fatal(err)
	}
	info, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(files(t), limit, string(info))
}

func TestWithoutPrivilege(t *testing.T) {
	if os.Getenv("AUDIT_CHILD") != "" {
		child(t)
		return
	}
	before := programs(t)
	said := openAs(t, nil)
	if said["permission"] != "true" {
		t.Errorf("got %q", said)
	}
	if after := programs(t); after != before {
		t.Errorf("programs: got %s, want %s", after, before)
	}
	t.Log(said["error"])
}

// Without CAP_PERFMON the writer is named where the kernel's helpers are open
// to us, and never by half.
func TestWithoutPerfmon(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	var pid string
	write := func() {
		w := start(t, "sh", "-c", "echo 1 >"+conf+"all/arp_ignore")
		pid = fmt.Sprint(w.Process.Pid)
		w.end(t)
	}
	got := openAs(t, write, unix.CAP_BPF, unix.CAP_NET_ADMIN)
	want := map[string]string{
		"named": "false", "better": "true", "ready": "", "key": "net/ipv4/conf/all/arp_ignore",
		"old": "0", "new": "1", "uid": "0", "pid": "0", "comm": "", "netns": "0",
	}
	if got["named"] == "true" {
		want["named"], want["pid"], want["comm"] = "true", pid, "sh"
	}
	delete(got, "PASS")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("child (-want +got):\n%s", diff)
	}
	t.Logf("named %s", got["named"])
}

func TestWithPerfmon(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	got := openAs(t, func() { sh(t, "echo 1 >"+conf+"all/arp_ignore") }, unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_PERFMON)
	if got["better"] != "false" || got["comm"] != "sh" || got["netns"] != fmt.Sprint(netNS(t)) {
		t.Errorf("got %q", got)
	}
}

// No locked memory is allowed (before Linux 5.11 that matters): it is asked
// for, and the limit is as before.
func TestLockedMemory(t *testing.T) {
	var old, after unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &old); err != nil {
		t.Fatal(err)
	}
	none := unix.Rlimit{Cur: 0, Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &none); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &old) }()
	mustOpen(t, Options{})
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &after); err != nil || after != none {
		t.Errorf("limit: got %v, %v, want %v", after, err, none)
	}
}

// A kernel without BTF: the helpers name the writer since Linux 6.1.
func TestWithoutKernelTypes(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET|unix.CLONE_NEWNS|unix.CLONE_FS)
	sh(t, "mount -t tmpfs none /sys/kernel/btf")
	s := mustOpen(t, Options{})
	if s.BetterErr() == nil || !errors.Is(s.BetterErr(), ebpf.ErrNotSupported) {
		t.Errorf("better: got %v", s.BetterErr())
	}
	l := listen(t, s)
	w := start(t, "sh", "-c", "echo 1 >"+conf+"all/arp_ignore")
	w.end(t)
	want := Write{Key: "net/ipv4/conf/all/arp_ignore", Old: "0", New: "1"}
	if s.NamesWriter() {
		want.PID, want.Comm = w.Process.Pid, "sh"
	}
	if diff := cmp.Diff(want, l.next(t), anyTime); diff != "" {
		t.Errorf("write (-want +got):\n%s", diff)
	}
	if helpers := !strings.HasPrefix(sh(t, "uname -r"), "5."); s.NamesWriter() != helpers {
		t.Errorf("named: got %v on %s", s.NamesWriter(), sh(t, "uname -r"))
	}
}

// Where cgroup2 is hidden, as ip netns exec hides it, it is found where process
// 1 sees it; else there is nothing.
func TestWithoutCgroup(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET|unix.CLONE_NEWNS|unix.CLONE_FS)
	sh(t, "umount /sys/fs/cgroup")
	mustOpen(t, Options{})
	sh(t, "mount -t tmpfs none /proc/1")
	if _, err := OpenWrites(Options{}); err == nil || !strings.Contains(err.Error(), "cgroup2: ") {
		t.Errorf("got %v", err)
	}
}

// The root of a container's cgroup namespace is a cgroup like others; there a
// program would see the container only.
func TestBelowTheRoot(t *testing.T) {
	const group = "/sys/fs/cgroup/container"
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(group)
	if dir, err := openRoot(group); err == nil || !strings.Contains(err.Error(), "not the root") {
		t.Errorf("got %v, %v", dir, err)
	}
}

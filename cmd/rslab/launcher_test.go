//go:build lab

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// These tests run on the host, not in the lab: they build rslab and call it as a user does. They need qemu, and the
// network where the kernel is not cached yet.

// buildLauncher returns a fresh rslab.
func buildLauncher(t *testing.T) string {
	t.Helper()
	if inLab() {
		t.Skip("the launcher is tested from outside of the lab")
	}
	bin := filepath.Join(t.TempDir(), "rslab")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

func launch(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

func TestLauncher(t *testing.T) {
	bin := buildLauncher(t)
	for _, test := range []struct {
		name string
		args []string
		want result
	}{
		{"exit code, and streams kept apart", []string{"--", "sh", "-c", "echo out; echo err >&2; exit 7"}, result{"out\n", "err\n", 7}},
		{"root in this folder, in memory", []string{"sh", "-c", "id -u; pwd; touch /etc/written && echo written"}, result{"0\n" + workDir(t) + "\nwritten\n", "", 0}},
		{"modules, nested", []string{bin, "exec", "--", "sh", "-c", "hostname; modprobe ipip && ls /sys/class/net; exit 3"}, result{"lab\nlo\ntunl0\n", "", 3}},
		{"unknown kernel", []string{"--kernel", "2.4", "true"}, result{"", "rslab: no kernel \"2.4\": choose 5.10, 6.1 or 6.12\n", 125}},
		{"unknown accelerator", []string{"--accel", "warp", "true"}, result{"", "rslab: no accelerator \"warp\": choose tcg, kvm or auto\n", 125}},
		{"time limit", []string{"--timeout", "1s", "sleep", "1000"}, result{"", "rslab: time limit of 1s reached, command killed\n", 124}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := launch(t, exec.Command(bin, append([]string{"exec"}, test.args...)...))
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestLauncherSaysWhatIsMissing(t *testing.T) {
	bin := buildLauncher(t)
	// Namespaces hide the tools from a process that looks for them everywhere.
	script := `for f in $(which -a qemu-system-x86_64); do mount --bind /dev/null $f; done; exec "$0" exec true`
	got := launch(t, exec.Command("unshare", "-m", "sh", "-c", script, bin))
	if want := (result{"", "rslab: qemu-system-x86_64 is missing: apt-get install qemu-system-x86\n", 125}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestKernelPanicIsReported(t *testing.T) {
	got := launch(t, exec.Command(buildLauncher(t), "exec", "sh", "-c", "echo before; echo c > /proc/sysrq-trigger"))
	if got.code != 125 || got.stdout != "before\n" ||
		!strings.HasSuffix(got.stderr, "\nrslab: the machine died: Kernel panic - not syncing: sysrq triggered crash\n") {
		t.Errorf("got %+v", got)
	}
}

func TestFilesAreCarriedOut(t *testing.T) {
	bin, dir := buildLauncher(t), t.TempDir()
	writeFile(t, filepath.Join(dir, "go.mod"), "module covered\n\ngo 1.26\n")
	writeFile(t, filepath.Join(dir, "f.go"), "package covered\n\nfunc f() int { return 1 }\n")
	writeFile(t, filepath.Join(dir, "f_test.go"), `package covered

import ("os"; "testing")

func TestF(t *testing.T) {
	host, _ := os.Hostname()
	if f() != 1 || host != "lab" { t.Fatal(host) }
	os.WriteFile("report", []byte("lost unless asked for"), 0o644)
}
`)
	test := exec.Command("go", "test", "-v", "-exec", bin+" exec --", "-coverprofile=cover.out", "-memprofile=mem.out", ".")
	test.Dir = dir
	got := launch(t, test)
	if got.code != 0 || !strings.Contains(got.stdout, "--- PASS: TestF") || !strings.Contains(got.stdout, "coverage: 100.0% of statements") {
		t.Errorf("got %+v", got)
	}
	if cover := readFile(t, filepath.Join(dir, "cover.out")); !strings.Contains(cover, "covered/f.go:3.14,3.26 1 1") {
		t.Errorf("cover.out: %q", cover)
	}
	if info, err := os.Stat(filepath.Join(dir, "mem.out")); err != nil || info.Size() == 0 {
		t.Errorf("mem.out: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "report")); !os.IsNotExist(err) {
		t.Errorf("the command wrote to the host: %v", err)
	}
	out := exec.Command(bin, "exec", "--out", "made", "--out", "absent", "sh", "-c", "mkdir -p made/deep && echo hello > made/deep/file")
	out.Dir = dir
	if got, want := launch(t, out), (result{"", "rslab: --out absent: not there after the command\n", 0}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := readFile(t, filepath.Join(dir, "made/deep/file")); got != "hello\n" {
		t.Errorf("made/deep/file: %q", got)
	}
}

func TestTwoAtOnce(t *testing.T) {
	bin := buildLauncher(t)
	var runs sync.WaitGroup
	for i := range 2 {
		runs.Go(func() {
			n := strconv.Itoa(i)
			got := launch(t, exec.Command(bin, "exec", "sh", "-c", "sleep 1; echo "+n+"; exit "+n))
			if want := (result{n + "\n", "", i}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
	runs.Wait()
}

func TestManyBytes(t *testing.T) {
	const lines = 200000
	got := launch(t, exec.Command(buildLauncher(t), "exec", "seq", "1", strconv.Itoa(lines)))
	var want strings.Builder
	for i := range lines {
		want.WriteString(strconv.Itoa(i+1) + "\n")
	}
	if got.stdout != want.String() || got.code != 0 {
		t.Errorf("got %d bytes, want %d, code %d, %s", len(got.stdout), want.Len(), got.code, got.stderr)
	}
}

// startSleeper starts a machine that prints "up" and sleeps, and returns it once it is up, with its qemu's PID.
func startSleeper(t *testing.T, script string) (*exec.Cmd, int) {
	t.Helper()
	cmd := exec.Command(buildLauncher(t), "exec", "sh", "-c", script)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if _, err := stdout.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	children, err := filepath.Glob("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range children {
		if pid, err := strconv.Atoi(strings.TrimSpace(readFile(t, file))); err == nil {
			return cmd, pid
		}
	}
	t.Fatal("no qemu below the launcher")
	return nil, 0
}

func TestKilledLauncherLeavesNoQemu(t *testing.T) {
	cmd, pid := startSleeper(t, "echo up; sleep 1000")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(10 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(20 * time.Millisecond) {
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil && strings.Contains(string(stat), ") Z ") {
			return // dead, and whoever inherited it has not looked yet
		}
		if time.Now().After(deadline) {
			t.Fatalf("qemu %d outlived its launcher", pid)
		}
	}
}

func TestSignalsReachTheCommand(t *testing.T) {
	cmd, pid := startSleeper(t, "trap 'exit 5' TERM; echo up; while :; do sleep 0.1; done")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 5 {
		t.Errorf("exit code %d", code)
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Errorf("qemu %d outlived its launcher", pid)
	}
}

// What a command's end looks like is the same with a machine and without, and here it takes no time.
func TestNative(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	bin := buildLauncher(t)
	for _, test := range []struct {
		name string
		args []string
		want result
	}{
		{"exit code, and streams kept apart", []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, result{"out\n", "err\n", 7}},
		{"flags of the command are its own", []string{"echo", "--kernel", "--", "-n"}, result{"--kernel -- -n\n", "", 0}},
		{"what it leaves behind is no hindrance", []string{"sh", "-c", "sleep 1000 & echo left"}, result{"left\n", "", 0}},
		{"signal", []string{"sh", "-c", "kill -9 $$"}, result{"", "", 137}},
		{"no such command", []string{"no-such-command"}, result{"", "rslab: exec: \"no-such-command\": executable file not found in $PATH\n", 127}},
		{"not executable", []string{"/etc/passwd"}, result{"", "rslab: exec: \"/etc/passwd\": permission denied\n", 126}},
		{"time limit", []string{"--timeout", "300ms", "sleep", "1000"}, result{"", "rslab: time limit of 300ms reached, command killed\n", 124}},
		{"nested", []string{bin, "exec", "hostname"}, result{"lab\n", "", 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := launch(t, exec.Command(bin, append([]string{"exec", "--native"}, test.args...)...))
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestNativeIsolates(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	mounts, host := readFile(t, "/proc/mounts"), readFile(t, "/proc/sys/kernel/hostname")
	script := "ip netns add inside && ls /run/netns; ip -br link show up | cut -d' ' -f1; ls /sys/class/net | grep -c eth; echo $PPID"
	got := launch(t, exec.Command(buildLauncher(t), "exec", "--native", "sh", "-c", script))
	if want := (result{"inside\nlo\n0\n1\n", "", 0}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := os.Stat("/run/netns/inside"); !os.IsNotExist(err) {
		t.Errorf("the namespace's name got out: %v", err)
	}
	if after := readFile(t, "/proc/mounts"); after != mounts {
		t.Errorf("mounts got out:\n%s", after)
	}
	if after := readFile(t, "/proc/sys/kernel/hostname"); after != host {
		t.Errorf("the host is named %s", after)
	}
}

func workDir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

//go:build lab

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/agent/config"
	"rsagent/agent/linux"
)

// A realServer is a host of the classic network with rsagent run on it, in a
// network namespace that the test's goroutine has to itself.
type realServer struct {
	*testing.T
	want  agent.Desired
	eyes  *linux.Host // others than the daemon's
	store linux.FileStore
	file  string // the config
	cmd   *exec.Cmd
	log   lockedLog
}

// newRealServer starts the daemon and waits until the host is in order.
func newRealServer(t *testing.T, text string) *realServer {
	t.Helper()
	inLab(t)
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	agenttest.Type(t, agenttest.Shell{TB: t}, "modprobe ipip", agenttest.ClassicNetwork)
	dir := t.TempDir()
	s := &realServer{T: t, file: filepath.Join(dir, "rs.yaml"), store: linux.FileStore{Dir: filepath.Join(dir, "state")}}
	s.configure(text)
	var err error
	if s.eyes, err = linux.New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.eyes.Close)
	s.start(dir)
	s.settle(20 * time.Second)
	return s
}

// configure writes the config file, and expects the daemon to follow it.
func (s *realServer) configure(text string) {
	s.Helper()
	if err := os.WriteFile(s.file, []byte(text), 0o644); err != nil {
		s.Fatal(err)
	}
	cfg, err := config.Load(s.file)
	if err != nil {
		s.Fatal(err)
	}
	s.want = cfg.Desired
}

func (s *realServer) start(dir string) {
	s.Helper()
	self, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	// The test binary is the program when it has its name; see TestMain.
	program := filepath.Join(dir, "rsagent")
	if err := os.Symlink(self, program); err != nil {
		s.Fatal(err)
	}
	s.cmd = exec.Command(program, "run", "--config", s.file, "--state-dir", s.store.Dir)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		s.signal(syscall.SIGCONT)
		s.signal(syscall.SIGTERM)
		if err := s.cmd.Wait(); err != nil {
			s.Errorf("rsagent run: %v", err)
		}
		if s.Failed() {
			log := s.log.String()
			s.Logf("the daemon's last words:\n%s", log[max(0, len(log)-8000):])
		}
	})
}

func (s *realServer) signal(sig syscall.Signal) { _ = s.cmd.Process.Signal(sig) }

// freeze stops the daemon, and returns when each of its threads has stopped.
func (s *realServer) freeze() {
	s.Helper()
	s.signal(syscall.SIGSTOP)
	for range 5000 {
		if stopped(s.cmd.Process.Pid) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	s.Fatal("the daemon does not stop")
}

func (s *realServer) thaw() { s.signal(syscall.SIGCONT) }

func stopped(pid int) bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if _, rest, _ := bytes.Cut(b, []byte(") ")); err == nil && len(rest) > 0 && rest[0] != 'T' {
			return false
		}
	}
	return len(stats) > 0
}

// look reads the host, beside the daemon.
func (s *realServer) look() (agent.Report, agent.Observed) {
	return agent.Look(s.Context(), s.eyes, s.store, s.want)
}

// settle waits until nothing is amiss that could be mended, and returns how
// long that took and how it was then.
func (s *realServer) settle(limit time.Duration) (time.Duration, agent.Observed) {
	s.Helper()
	start := time.Now()
	for {
		r, got := s.look()
		why := amiss(s.want, r, got)
		if why == "" {
			return time.Since(start), got
		}
		if time.Since(start) > limit {
			s.Fatalf("not in order after %v: %s", limit, why)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// amiss says what is left to do, or which VIP is not in place without a reason
// that the agent must respect.
func amiss(want agent.Desired, r agent.Report, got agent.Observed) string {
	if left := agent.Script(agent.Actions(r.Plan)); left != "" {
		return left
	}
	if r.State() == agent.Unknown {
		return fmt.Sprintf("could not tell: %+v", agent.NotOK(r.After))
	}
	if _, found := got.Tunnel(); !found {
		if taken, ok := got.Link(want.Device); ok && taken.Kind != "ipip" {
			return "" // somebody else's device has the tunnel's name
		}
		return "no tunnel"
	}
	for _, vip := range want.VIPs {
		id := "addr/" + r.Device + "/" + vip.String()
		i := slices.IndexFunc(r.After, func(f agent.Finding) bool { return f.ID() == id })
		held := i >= 0 && strings.Contains(r.After[i].Why, "It is not added, because")
		if v, here := got.Verdicts[vip]; !held && (!here || !v.Local && !v.OnLinkOnly) {
			return fmt.Sprintf("%s: in place %v, verdict %+v", vip, here, v)
		}
	}
	return ""
}

// cpu returns the processor time that a process has used.
func cpu(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	var ticks int
	for _, at := range []int{11, 12} { // utime and stime, see proc(5)
		n, err := strconv.Atoi(fields[at])
		if err != nil {
			tb.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100
}

// A load is what the daemon holds on to.
type load struct{ rss, goroutines, files int }

func (s *realServer) load() load {
	s.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.Fatal(err)
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	if err != nil {
		s.Fatal(err)
	}
	return load{number(s, string(status), "VmRSS:"), number(s, s.get("/metrics"), "go_goroutines "), len(fds)}
}

// number returns what follows a word at the start of a line.
func number(tb testing.TB, text, word string) int {
	tb.Helper()
	_, rest, found := strings.Cut("\n"+text, "\n"+word)
	if fields := strings.Fields(rest); found && len(fields) > 0 {
		n, err := strconv.Atoi(fields[0])
		if err == nil {
			return n
		}
	}
	tb.Fatalf("no %q in:\n%s", word, text)
	return 0
}

// get asks the daemon. The connection is made by hand, since it has to be made
// on the goroutine that is in the namespace.
func (s *realServer) get(path string) string {
	s.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:9811")
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.0\r\n\r\n"); err != nil {
		s.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		s.Fatal(err)
	}
	return string(b)
}

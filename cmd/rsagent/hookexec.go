package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hookReap is how long what a hook has left behind may take to end once it was
// killed.
const hookReap = time.Second

// runHook runs a command with nothing but a PATH, in a session of its own, of
// which nothing is left when it returns. Only one may run at a time.
//
// What a process of it leaves behind becomes our child, in whatever session it
// is by then, but never in ours: that is what tells it from our other children.
func runHook(ctx context.Context, command []string, stdin []byte) ([]byte, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("prctl PR_SET_CHILD_SUBREAPER: %w", err)
	}
	out := &limitedBuffer{left: hookOutput}
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Env, c.Dir, c.Stdin, c.Stdout, c.Stderr = []string{hookPath}, "/", bytes.NewReader(stdin), out, out
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	// What cannot be killed may hold its output open.
	c.WaitDelay = 100 * time.Millisecond
	if err := c.Start(); err != nil {
		return nil, err
	}
	awaitExit(c.Process.Pid)
	left := killLeftovers(c.Process.Pid)
	err := c.Wait()
	switch {
	case left == nil:
		return out.bytes(), err
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return out.bytes(), left
	}
	return out.bytes(), fmt.Errorf("%w; %w", err, left)
}

// awaitExit waits for a child to end, and leaves it to be waited for, so that
// its number stays its own.
func awaitExit(pid int) {
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
}

// killLeftovers kills what a hook that has ended has left behind, and what that
// leaves behind in turn. The error says what became of it; it is nil if there
// was nothing.
func killLeftovers(leader int) error {
	killed := map[int]bool{}
	for deadline := time.Now().Add(hookReap); ; time.Sleep(time.Millisecond) {
		list, left := leftovers(leader), 0
		for _, pid := range list {
			if reaped, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err == nil && reaped == pid {
				continue // it has ended; its children are ours in the next list
			}
			left++
			if unix.Kill(pid, unix.SIGKILL) == nil {
				killed[pid] = true
			}
		}
		switch {
		case len(list) > 0 && time.Now().Before(deadline):
		case left > 0:
			return fmt.Errorf("it left %s behind that cannot be killed", processes(left))
		case len(killed) > 0:
			return fmt.Errorf("it left %s behind: killed", processes(len(killed)))
		default:
			return nil
		}
	}
}

func processes(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}

// leftovers returns our children in other sessions than ours but the leader.
// The kernels of all distributions list them (CONFIG_PROC_CHILDREN).
func leftovers(leader int) []int {
	ours, err := unix.Getsid(0)
	if err != nil {
		return nil
	}
	lists, _ := filepath.Glob("/proc/self/task/*/children") // the pattern is right
	var out []int
	for _, list := range lists {
		content, _ := os.ReadFile(list) // a thread that has ended has none
		for _, word := range strings.Fields(string(content)) {
			pid, err := strconv.Atoi(word)
			if err != nil || pid == leader {
				continue
			}
			if session, err := unix.Getsid(pid); err == nil && session != ours {
				out = append(out, pid)
			}
		}
	}
	return out
}

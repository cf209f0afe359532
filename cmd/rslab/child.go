package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// runJob runs the command, sends what it prints as it comes, passes the launcher's signals on, and returns its exit
// code once all output is sent. Whatever the command left behind in the background is killed then.
func runJob(w *wire, j job) int {
	stdout, endStdout, err := forward(w.writer(frameStdout))
	if err != nil {
		return complain(w.writer(frameStderr), err)
	}
	stderr, endStderr, err := forward(w.writer(frameStderr))
	if err != nil {
		return complain(w.writer(frameStderr), err)
	}
	signals := make(chan syscall.Signal)
	go receiveSignals(w, signals)
	code := runChild(j, [3]uintptr{openNull(), stdout.Fd(), stderr.Fd()}, w.writer(frameStderr), signals)
	stdout.Close()
	stderr.Close()
	endStdout()
	endStderr()
	return code
}

// forward returns a file for a child to write to, and a func that waits until all of it has arrived in dst.
func forward(dst io.Writer) (*os.File, func(), error) {
	r, file, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	var done sync.WaitGroup
	done.Go(func() {
		_, _ = io.CopyBuffer(dst, struct{ io.Reader }{r}, make([]byte, maxPayload))
		r.Close()
	})
	return file, done.Wait, nil
}

func receiveSignals(w *wire, signals chan<- syscall.Signal) {
	for {
		kind, payload, err := w.receive()
		if err != nil {
			return
		}
		if kind == frameSignal && len(payload) == 1 {
			signals <- syscall.Signal(payload[0])
		}
	}
}

// runChild runs a job's command as the only child of this process, which must be process 1 of its PID namespace: it
// reaps every orphan, and at the end nothing else is left alive. It returns an exit code as a shell would.
func runChild(j job, files [3]uintptr, complaints io.Writer, signals <-chan syscall.Signal) int {
	path, err := lookPath(j)
	if err != nil {
		return complain(complaints, err)
	}
	// Go programs raise their soft limit by themselves; Debian's hard limit is what they find here.
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20})
	pid, err := syscall.ForkExec(path, j.Args, &syscall.ProcAttr{
		Dir:   j.Dir,
		Env:   j.Env,
		Files: files[:],
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return complain(complaints, fmt.Errorf("%s: %w", path, err))
	}
	go func() {
		for s := range signals {
			_ = syscall.Kill(-pid, s)
		}
	}()
	status := reapUntil(pid)
	_ = syscall.Kill(-1, syscall.SIGKILL)
	return shellCode(status)
}

// reapUntil waits for every child, adopted ones too, until pid is one of them.
func reapUntil(pid int) syscall.WaitStatus {
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case got == pid:
			return status
		case err != nil && !errors.Is(err, syscall.EINTR):
			return 0 // no children: cannot be, since pid is one
		}
	}
}

func shellCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return codeSignalled + int(status.Signal())
	}
	return status.ExitStatus()
}

// complain reports why a command could not be started, and returns the exit code for it.
func complain(w io.Writer, err error) int {
	fmt.Fprintf(w, "rslab: %v\n", err)
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, syscall.ENOENT):
		return codeNotFound
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.ENOEXEC):
		return codeCannotExec
	default:
		return codeFailed
	}
}

// lookPath finds a job's command by the job's PATH, seen from the job's folder.
func lookPath(j job) (string, error) {
	if err := os.Chdir(j.Dir); err != nil {
		return "", err
	}
	if err := os.Setenv("PATH", envValue(j.Env, "PATH")); err != nil {
		return "", err
	}
	path, err := exec.LookPath(j.Args[0])
	if errors.Is(err, exec.ErrDot) {
		err = nil
	}
	return path, err
}

func openNull() uintptr {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	return uintptr(fd)
}

// labEnv is the environment of a command in the lab: the caller's, with RSLAB=1 so that a nested rslab knows where it
// is, and with the folders of root's tools in PATH.
func labEnv(env []string) []string {
	path := envValue(env, "PATH")
	have := strings.Split(path, ":")
	for _, dir := range append(sbinDirs(), "/usr/bin", "/bin") {
		if !slices.Contains(have, dir) {
			path = strings.TrimPrefix(path+":"+dir, ":")
		}
	}
	out := slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		return strings.HasPrefix(kv, "PATH=") || strings.HasPrefix(kv, "RSLAB=")
	})
	return append(out, "PATH="+path, "RSLAB=1")
}

func envValue(env []string, name string) string {
	for _, kv := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a daemon has to end after SIGTERM.
const stopGrace = 5 * time.Second

// Daemon is a process that a host keeps running.
type Daemon struct {
	cmd    *exec.Cmd
	output lockedBuffer
	done   chan struct{}
	err    error // of Wait, once done is closed
	stop   func() error
}

// Start starts a command made by Command, as a daemon that Close stops at the latest. What it prints is kept for
// Output, unless cmd says otherwise.
func (h *Host) Start(cmd *exec.Cmd) (*Daemon, error) {
	d := &Daemon{cmd: cmd, done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = &d.output
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &d.output
	}
	// A grandchild that keeps the pipe must not keep Stop waiting.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", h.Name, strings.Join(cmd.Args, " "), err)
	}
	go func() {
		d.err = cmd.Wait()
		close(d.done)
	}()
	d.stop = sync.OnceValue(d.terminate)
	h.network.atClose(d.Stop)
	return d, nil
}

// Signal sends a signal to the daemon.
func (d *Daemon) Signal(s syscall.Signal) error { return d.cmd.Process.Signal(s) }

// Done is closed when the daemon has ended.
func (d *Daemon) Done() <-chan struct{} { return d.done }

// Wait waits for the daemon to end and returns what exec.Cmd.Wait does.
func (d *Daemon) Wait() error {
	<-d.done
	return d.err
}

// Output returns what the daemon has printed so far.
func (d *Daemon) Output() string { return d.output.String() }

// Stop ends the daemon with SIGTERM, or with SIGKILL if it is still there five seconds later, which is an error. How
// a daemon ends on its own, or answers SIGTERM, is for Wait to say. Further calls return what the first one did.
func (d *Daemon) Stop() error { return d.stop() }

func (d *Daemon) terminate() error {
	select {
	case <-d.done:
		return nil
	default:
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
		return nil
	case <-time.After(stopGrace):
	}
	_ = d.cmd.Process.Kill()
	<-d.done
	return errors.New(strings.Join(d.cmd.Args, " ") + ": still there after SIGTERM, killed")
}

// lockedBuffer is a buffer that may be read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Host is one machine of the network: a network namespace with lo and eth0, both up.
type Host struct {
	Name string
	Addr netip.Addr

	network   *Network
	namespace int // a descriptor of it
}

func newHost(n *Network, name, addr string) *Host {
	return &Host{Name: name, Addr: netip.MustParseAddr(addr), network: n, namespace: -1}
}

func (h *Host) open() error {
	fd, err := unix.Open(filepath.Join(namespaceDir, h.Name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("namespace %s: %w", h.Name, err)
	}
	h.namespace = fd
	h.network.atClose(func() error { return unix.Close(fd) })
	return nil
}

// Do calls f on a thread of its own that is in the host's network namespace, and returns f's error. Sockets that f
// opens stay in the namespace after it returns, and /proc/sys/net is the host's while it runs. Goroutines and
// processes that f starts are not and are in the namespace, respectively.
func (h *Host) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := fmt.Errorf("namespace %s: function ended its goroutine", h.Name)
		defer func() { done <- err }()
		// Never unlocked, so that the thread dies with the goroutine: nobody else must find himself in the namespace.
		runtime.LockOSThread()
		if err = unix.Setns(h.namespace, unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("namespace %s: %w", h.Name, err)
			return
		}
		err = f()
	}()
	return <-done
}

// Command is exec.CommandContext for a command on this host: in its network namespace, with a /sys that belongs to
// it. The process that it starts is the command itself, so signals reach it.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.Name, name}, args...)...)
}

// Run runs a command on this host and returns what it printed to stdout. The error of a command that fails names the
// host, the command and what it printed to stderr, and wraps *exec.ExitError.
func (h *Host) Run(ctx context.Context, name string, args ...string) (string, error) {
	stdout, err := output(h.Command(ctx, name, args...), name, args)
	if err != nil {
		return stdout, fmt.Errorf("%s: %w", h.Name, err)
	}
	return stdout, nil
}

// runCommand runs a command of the surrounding machine.
func runCommand(ctx context.Context, stdin io.Reader, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = stdin
	return output(cmd, name, args)
}

func output(cmd *exec.Cmd, name string, args []string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err == nil {
		return stdout.String(), nil
	}
	command := strings.Join(append([]string{name}, args...), " ")
	if errors.Is(err, exec.ErrNotFound) || stderr.Len() == 0 {
		return stdout.String(), fmt.Errorf("%s: %w", command, err)
	}
	return stdout.String(), fmt.Errorf("%s: %w: %s", command, err, oneLine(stderr.Bytes()))
}

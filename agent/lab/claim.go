package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Where iproute2 keeps named namespaces, and where a network says which of them are its own.
const (
	namespaceDir = "/run/netns"
	claimFile    = "/run/rsagent-lab"
)

// claim is the right to make and delete namespaces of certain names. It is a locked file that lists them: the lock
// ends with the process, the list does not, and so the next claim knows what a killed process left behind.
type claim struct {
	file  *os.File
	names []string
}

// claimNames takes the claim and removes the remains of an earlier one.
func claimNames(ctx context.Context, names []string) (*claim, error) {
	f, err := os.OpenFile(claimFile, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	c := &claim{file: f, names: names}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errors.New("another process has a network here")
	}
	if err == nil {
		err = c.removeRemains(ctx)
	}
	if err == nil {
		err = c.checkFree()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return c, nil
}

func (c *claim) removeRemains(ctx context.Context) error {
	list, err := io.ReadAll(c.file)
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(list)) {
		if err := killAll(ctx, name); err != nil {
			return err
		}
		if err := deleteNamespace(name); err != nil {
			return err
		}
	}
	return c.file.Truncate(0)
}

// killAll kills what still runs in a namespace; it would keep the namespace alive without its name.
func killAll(ctx context.Context, name string) error {
	if _, err := os.Stat(filepath.Join(namespaceDir, name)); err != nil {
		return nil
	}
	pids, err := runCommand(ctx, nil, "ip", "netns", "pids", name)
	if err != nil {
		return err
	}
	for _, field := range strings.Fields(pids) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 1 && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return nil
}

// checkFree fails when a name is taken by somebody else.
func (c *claim) checkFree() error {
	taken := slices.DeleteFunc(slices.Clone(c.names), func(name string) bool {
		_, err := os.Stat(filepath.Join(namespaceDir, name))
		return errors.Is(err, fs.ErrNotExist)
	})
	if len(taken) == 0 {
		return nil
	}
	return fmt.Errorf("network namespaces of the lab's names exist and are not the lab's: %s (ip netns delete removes one)",
		strings.Join(taken, ", "))
}

// make writes the list and then makes the namespaces, in this order: a name on the list is at worst not there.
func (c *claim) make(ctx context.Context) error {
	if _, err := c.file.WriteAt([]byte(strings.Join(c.names, "\n")+"\n"), 0); err != nil {
		return err
	}
	var commands []string
	for _, name := range c.names {
		commands = append(commands, "netns add "+name)
	}
	return ipBatch(ctx, "", commands)
}

// release deletes the namespaces, then the list.
func (c *claim) release() error {
	var errs []error
	for _, name := range c.names {
		errs = append(errs, deleteNamespace(name))
	}
	if err := errors.Join(errs...); err != nil {
		return errors.Join(err, c.file.Close())
	}
	// The file itself stays: a lock on a file that another process has just replaced would be no lock.
	return errors.Join(c.file.Truncate(0), c.file.Close())
}

// deleteNamespace is ip netns delete, for a name that need not be there.
func deleteNamespace(name string) error {
	if _, err := os.Stat(filepath.Join(namespaceDir, name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_, err := runCommand(context.Background(), nil, "ip", "netns", "delete", name)
	return err
}

// oneLine makes one line of what a command complained about.
func oneLine(text []byte) string {
	return strings.Join(strings.FieldsFunc(string(bytes.TrimSpace(text)), func(r rune) bool { return r == '\n' }), "; ")
}

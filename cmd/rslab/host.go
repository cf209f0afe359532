package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// hostOptions are the flags of rslab host.
type hostOptions struct{ machineOptions }

func newHostCommand() *cobra.Command {
	o := hostOptions{}
	cmd := &cobra.Command{
		Use:   "host [flags] [--] COMMAND [ARG...]",
		Short: "Run a command here, beside a disposable Debian host with systemd",
		Long: `Run a command here, beside a disposable Debian host with systemd.

The command, a Go test binary for example, runs on this machine. While it runs, "rslab in" runs commands as root in
the host, and "rslab in --reboot" starts it anew. The host has a disk of its own, a plain Debian with
NetworkManager, networkd and ifupdown to choose from, of which networkd is enabled, and two NICs on one cable:
eth0, 172.25.84.2, and eth1, for tests to put the rest of the world behind. It sees this machine's files,
read-only, below ` + labView + `. When the command ends, the host is gone with all that it has written.

The disk's image is made once, by mmdebstrap as root, and kept beside the kernels.`,
		Example: `  rslab host -- sh -c 'rslab in systemctl status'
  go test -tags host -exec "rslab host --" ./cmd/rsagent`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.limit(cmd, args)
			return o.run(cmd, args)
		},
	}
	o.addFlags(cmd, 1024, 20*time.Minute)
	return cmd
}

func (o hostOptions) run(cmd *cobra.Command, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	// Qemu is to die with the thread that started it, so this one must live as long as the process.
	runtime.LockOSThread()
	ctx, stop := withSignals(cmd.Context())
	defer stop()
	stderr := cmd.ErrOrStderr()
	m, err := o.boot(ctx, stderr)
	if err != nil {
		return showConsole(stderr, err)
	}
	defer func() { _ = m.kill() }()
	b, err := newBroker(m)
	if err != nil {
		return err
	}
	defer b.close()
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, timeLimit(o.timeout))
	defer cancel()
	err = runBeside(ctx, b.env(), args, cmd.OutOrStdout(), stderr)
	if died := b.died(); died != nil {
		return showConsole(stderr, died)
	}
	return err
}

// boot boots a host and waits until it takes commands, long before all of its services are up.
func (o hostOptions) boot(ctx context.Context, stderr io.Writer) (*machine, error) {
	c, err := newCache(stderr)
	if err != nil {
		return nil, err
	}
	k, err := c.kernel(ctx, o.kernel)
	if err != nil {
		return nil, err
	}
	disk, err := c.disk(ctx)
	if err != nil {
		return nil, err
	}
	note, err := json.Marshal(hostTask{Modules: k.modules})
	if err != nil {
		return nil, err
	}
	h := o.hardware()
	h.disk, h.append = disk, []string{"net.ifnames=0", "systemd.getty_auto=0"}
	return bootMachine(ctx, c.dir, k, h, errand{hostModules(), note}, stderr)
}

// runBeside runs a command on this machine and returns its exitCode as an error, or why there is none.
func runBeside(ctx context.Context, env, args []string, stdout, stderr io.Writer) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return exitCode(complain(stderr, err))
	}
	return superviseProcess(ctx, cmd)
}

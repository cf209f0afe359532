package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// nativeInit is the hidden subcommand that is process 1 of the namespaces.
const nativeInit = "native-init"

// runNative runs a job on this kernel, in fresh mount, network, PID, UTS and cgroup namespaces. Files that it writes are the
// host's.
func (o execOptions) runNative(ctx context.Context, j job, stdout, stderr io.Writer) error {
	if os.Geteuid() != 0 {
		return errors.New("--native needs root")
	}
	path, err := self()
	if err != nil {
		return err
	}
	cmd := exec.Command(path, append([]string{nativeInit, "--"}, j.Args...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = j.Dir, j.Env, stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// The cgroup namespace keeps the options of our mount of cgroup2 from becoming the host's.
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true,
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("namespaces: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, timeLimit(o.timeout))
	defer cancel()
	return superviseProcess(ctx, cmd)
}

func newNativeInitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:    nativeInit + " -- COMMAND [ARG...]",
		Hidden: true,
		Args:   cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if os.Getpid() != 1 {
				return errors.New(nativeInit + " is for rslab exec --native")
			}
			return nativeMain(args, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func nativeMain(args []string, stderr io.Writer) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	if err := isolate(); err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	passed := make(chan syscall.Signal)
	go func() {
		for s := range signals {
			passed <- s.(syscall.Signal)
		}
	}()
	j := job{Args: args, Env: os.Environ(), Dir: dir}
	if code := runChild(j, [3]uintptr{openNull(), 1, 2}, stderr, passed); code != 0 {
		return exitCode(code)
	}
	return nil
}

// isolate gives the fresh namespaces what belongs to them: nothing that is mounted here is seen outside.
func isolate() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount --make-rprivate /: %w", err)
	}
	proc := mountpoint{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""}
	if err := proc.mount(); err != nil {
		return err
	}
	if err := mountSystem(); err != nil {
		return err
	}
	return nameHost()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// execOptions are the flags of rslab exec.
type execOptions struct {
	machineOptions
	append []string
	out    []string
	native bool
}

func newExecCommand() *cobra.Command {
	o := execOptions{}
	cmd := &cobra.Command{
		Use:   "exec [flags] [--] COMMAND [ARG...]",
		Short: "Run a command as root in a disposable machine, in this folder and with this environment",
		Long: `Run a command as root in a disposable machine, in this folder and with this environment.

The machine sees this host's files and changes none of them. Files that a Go test binary writes by its own
flags (-test.coverprofile and the like), and those named by --out, are carried out when the command is done.
Standard input is empty.`,
		Example: `  rslab exec uname -r
  rslab exec --kernel 6.12 --out report.txt -- ./measure --into report.txt
  go test -tags lab -exec "rslab exec --" ./agent/lab`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.limit(cmd, args)
			return o.run(cmd, args)
		},
	}
	o.addFlags(cmd, 2048, 10*time.Minute)
	f := cmd.Flags()
	f.StringArrayVar(&o.append, "append", nil, "kernel parameter, such as loglevel=7 (repeatable)")
	f.StringArrayVar(&o.out, "out", nil, "file or folder to carry out of the machine (repeatable)")
	f.BoolVar(&o.native, "native", false, "no machine: fresh namespaces on this kernel, as root")
	return cmd
}

func (o execOptions) run(cmd *cobra.Command, args []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	if inLab() {
		return replaceSelf(args, dir)
	}
	// Qemu is to die with the thread that started it, so this one must live as long as the process.
	runtime.LockOSThread()
	ctx, stop := withSignals(cmd.Context())
	defer stop()
	j := job{Args: args, Env: labEnv(os.Environ()), Dir: dir}
	if o.native {
		return o.runNative(ctx, j, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	j.Outputs = testOutputs(args, j.Env, dir)
	for _, path := range o.out {
		j.Outputs = append(j.Outputs, absolute(dir, path))
	}
	return o.runMachine(ctx, j, cmd.OutOrStdout(), cmd.ErrOrStderr())
}

// runMachine boots a machine for one job and returns nil, the command's exitCode, or why there is none.
func (o execOptions) runMachine(ctx context.Context, j job, stdout, stderr io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	c, err := newCache(stderr)
	if err != nil {
		return err
	}
	k, err := c.kernel(ctx, o.kernel)
	if err != nil {
		return err
	}
	j.Modules = k.modules
	h := o.hardware()
	h.append = o.append
	m, err := bootMachine(ctx, c.dir, k, h, errand{modules: bootModules()}, stderr)
	if err != nil {
		return showConsole(stderr, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, timeLimit(o.timeout))
	defer cancel()
	result, err := m.run(ctx, j, stdout, stderr)
	if err != nil {
		return showConsole(stderr, err)
	}
	for _, path := range o.out {
		if !result.got[absolute(j.Dir, path)] {
			fmt.Fprintf(stderr, "rslab: --out %s: not there after the command\n", path)
		}
	}
	if result.code != 0 {
		return exitCode(result.code)
	}
	return nil
}

// showConsole prints the end of a failed machine's console, and returns the error.
func showConsole(w io.Writer, err error) error {
	var failed *machineFailure
	if errors.As(err, &failed) {
		lines := strings.Split(strings.TrimSpace(failed.console), "\n")
		for _, line := range lines[max(0, len(lines)-40):] {
			fmt.Fprintln(w, "console |", line)
		}
	}
	return err
}

// labMarker is there in a lab, machine or namespaces, and nowhere else: RSLAB in the environment alone could be
// anybody's.
const labMarker = "/run/rslab"

func inLab() bool {
	_, err := os.Stat(labMarker)
	return err == nil && os.Getenv("RSLAB") == "1"
}

// replaceSelf becomes the command: who is in the lab already needs no second one.
func replaceSelf(args []string, dir string) error {
	env := labEnv(os.Environ())
	path, err := lookPath(job{Args: args, Env: env, Dir: dir})
	if err == nil {
		err = fmt.Errorf("%s: %w", path, syscall.Exec(path, args, env))
	}
	return exitCode(complain(os.Stderr, err))
}

// self is this program's file.
func self() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

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
	kernel  string
	accel   string
	timeout time.Duration
	memory  int
	cpus    int
	append  []string
	out     []string
	native  bool
	verbose bool
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
			if !cmd.Flags().Changed("timeout") {
				o.timeout = limitFor(args, o.timeout)
			}
			return o.run(cmd, args)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.StringVar(&o.kernel, "kernel", defaultKernel, "Debian's kernel: 5.10, 6.1 or 6.12")
	f.StringVar(&o.accel, "accel", "tcg", "tcg, kvm, or auto: kvm if a short boot proves it")
	f.DurationVar(&o.timeout, "timeout", 10*time.Minute, "kill the command after this time; a Go test binary's own -test.timeout and a minute, if that is there")
	f.IntVar(&o.memory, "memory", 2048, "memory of the machine in MiB")
	f.IntVar(&o.cpus, "cpus", 0, "processors of the machine (default 1, with KVM 2)")
	f.StringArrayVar(&o.append, "append", nil, "kernel parameter, such as loglevel=7 (repeatable)")
	f.StringArrayVar(&o.out, "out", nil, "file or folder to carry out of the machine (repeatable)")
	f.BoolVar(&o.native, "native", false, "no machine: fresh namespaces on this kernel, as root")
	f.BoolVar(&o.verbose, "verbose", false, "show the machine's console")
	return cmd
}

// limitFor lets a Go test binary run into its own time limit, which tells more, before it runs into ours.
func limitFor(args []string, limit time.Duration) time.Duration {
	if d, err := time.ParseDuration(testFlags(args)["timeout"]); err == nil && d > 0 {
		return d + time.Minute
	}
	return limit
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
	h := hardware{accel: o.accel, memory: o.memory, cpus: o.cpus, append: o.append, verbose: o.verbose}
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

func (o execOptions) check() error {
	if runtime.GOARCH != "amd64" {
		return fmt.Errorf("the lab machine is amd64, this host is %s", runtime.GOARCH)
	}
	switch o.accel {
	case "tcg", "kvm", "auto":
	default:
		return fmt.Errorf("no accelerator %q: choose tcg, kvm or auto", o.accel)
	}
	if _, err := suiteOf(o.kernel); err != nil {
		return err
	}
	return requireTools(findTool, qemu, "modprobe")
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

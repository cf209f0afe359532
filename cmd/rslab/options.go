package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"
)

// machineOptions are the flags of every command that boots a machine.
type machineOptions struct {
	kernel  string
	accel   string
	timeout time.Duration
	memory  int
	cpus    int
	verbose bool
}

func (o *machineOptions) addFlags(cmd *cobra.Command, memory int, timeout time.Duration) {
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.StringVar(&o.kernel, "kernel", defaultKernel, "Debian's kernel: 5.10, 6.1 or 6.12")
	f.StringVar(&o.accel, "accel", "tcg", "tcg, kvm, or auto: kvm if a short boot proves it")
	f.DurationVar(&o.timeout, "timeout", timeout, "kill the command after this time; a Go test binary's own -test.timeout and a minute, if that is there")
	f.IntVar(&o.memory, "memory", memory, "memory of the machine in MiB")
	f.IntVar(&o.cpus, "cpus", 0, "processors of the machine (default 1, with KVM 2)")
	f.BoolVar(&o.verbose, "verbose", false, "show the machine's console")
}

// limit settles the time limit once the flags are read.
func (o *machineOptions) limit(cmd *cobra.Command, args []string) {
	if !cmd.Flags().Changed("timeout") {
		o.timeout = limitFor(args, o.timeout)
	}
}

// limitFor lets a Go test binary run into its own time limit, which tells more, before it runs into ours.
func limitFor(args []string, limit time.Duration) time.Duration {
	if d, err := time.ParseDuration(testFlags(args)["timeout"]); err == nil && d > 0 {
		return d + time.Minute
	}
	return limit
}

func (o machineOptions) check() error {
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

func (o machineOptions) hardware() hardware {
	return hardware{accel: o.accel, memory: o.memory, cpus: o.cpus, verbose: o.verbose}
}

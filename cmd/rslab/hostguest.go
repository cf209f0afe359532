package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// hostTask is what the first process of a host is told in the initramfs.
type hostTask struct {
	Modules string // the build machine's folder of the kernel's modules, named by release
}

// hostModules are what a host needs before it has its disk and sees the build machine's root.
func hostModules() []string {
	return []string{"virtio_pci", "virtio_console", "9pnet_virtio", "9p", "virtio_blk", "crc32c_generic", "ext4"}
}

func readHostTask() (hostTask, bool) {
	var task hostTask
	note, err := os.ReadFile(initramfsMarker)
	if err == nil {
		err = json.Unmarshal(note, &task)
	}
	return task, err == nil
}

// The lab's folder in a host. It is in /run: the disk is a plain Debian's.
const (
	labDir     = "/run/rslab"
	labBinary  = labDir + "/rslab"
	labView    = labDir + "/host" // the build machine's root, to read only
	agentUnit  = "rslab.service"
	hostAgent  = "host-agent"
	firstStage = "/root" // where the disk is until it is the root
)

// becomeHost gets onto the disk and becomes its init. It returns only with an error.
func becomeHost(task hostTask) error {
	if err := wake(); err != nil {
		return err
	}
	if err := awaitDevice("/dev/vda"); err != nil {
		return err
	}
	err := mountAll(
		mountpoint{"/dev/vda", firstStage, "ext4", 0, ""},
		mountpoint{"tmpfs", firstStage + "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755"},
		hostRoot(firstStage+labView),
		mountpoint{firstStage + labView + task.Modules, firstStage + "/usr/lib/modules/" + filepath.Base(task.Modules), "", unix.MS_BIND, ""},
	)
	if err != nil {
		return err
	}
	if err := installAgent(firstStage); err != nil {
		return err
	}
	for _, dir := range []string{"/dev", "/sys"} {
		if err := unix.Mount(dir, firstStage+dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("mount --move %s %s: %w", dir, firstStage+dir, err)
		}
	}
	if err := switchRoot(firstStage); err != nil {
		return err
	}
	return fmt.Errorf("/sbin/init: %w", syscall.Exec("/sbin/init", []string{"init"}, []string{"TERM=linux"}))
}

func awaitDevice(path string) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		_, err := os.Stat(path)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// agentService starts the agent as early as there are services, and keeps it to the end of what is tested.
const agentService = `[Unit]
Description=rslab's agent

[Service]
ExecStart=` + labBinary + ` ` + hostAgent + `
Environment=PATH=` + labDir + `:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8
`

// installAgent puts this binary and its unit below root's /run.
func installAgent(root string) error {
	binary, err := os.ReadFile("/init")
	if err != nil {
		return err
	}
	if err := os.WriteFile(root+labBinary, binary, 0o755); err != nil {
		return err
	}
	units := root + "/run/systemd/system"
	wants := units + "/multi-user.target.wants"
	if err := os.MkdirAll(wants, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(units, agentUnit), []byte(agentService), 0o644); err != nil {
		return err
	}
	return os.Symlink("../"+agentUnit, filepath.Join(wants, agentUnit))
}

func newHostAgentCommand() *cobra.Command {
	return &cobra.Command{
		Use:    hostAgent,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			port, err := openPort()
			if err != nil {
				return err
			}
			return serveJobs(cmd.Context(), newWire(port))
		},
	}
}

// serveJobs says that the host is up and runs jobs, one after the other, until the port is gone.
func serveJobs(ctx context.Context, w *wire) error {
	if err := w.send(frameReady, nil); err != nil {
		return err
	}
	for {
		j, err := receiveJob(w)
		if err != nil {
			return err
		}
		if err := w.send(frameExit, []byte{byte(runHosted(ctx, w, j))}); err != nil {
			return err
		}
	}
}

// runHosted runs a job to its end and returns its exit code as a shell would. What it leaves in the background lives on,
// but is no longer listened to.
func runHosted(ctx context.Context, w *wire, j job) int {
	ctx, cancel := context.WithTimeoutCause(ctx, j.Limit, timeLimit(j.Limit))
	defer cancel()
	cmd := exec.CommandContext(ctx, j.Args[0], j.Args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", w.writer(frameStdout), w.writer(frameStderr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		complain(w.writer(frameStderr), context.Cause(ctx))
		return codeTimeLimit
	}
	if cmd.ProcessState == nil {
		return complain(w.writer(frameStderr), err)
	}
	return shellCode(cmd.ProcessState.Sys().(syscall.WaitStatus))
}

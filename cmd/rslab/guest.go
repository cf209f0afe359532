package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// portName names the virtio-serial port between launcher and guest.
const portName = "rslab"

// isGuestInit tells whether this process is the one that the kernel of a lab machine starts first.
func isGuestInit(args []string) bool {
	if os.Getpid() != 1 || len(args) == 0 || args[0] != "/init" {
		return false
	}
	_, err := os.Stat(initramfsMarker)
	return err == nil
}

// guestMain is the life of a lab machine: reach the launcher, get onto the host's root, run the command, power off.
func guestMain() int {
	if task, ok := readHostTask(); ok {
		fmt.Fprintf(os.Stderr, "rslab: %v\n", becomeHost(task))
		return powerOff()
	}
	port, err := reachLauncher()
	if err != nil {
		fmt.Fprintf(os.Stderr, "rslab: %v\n", err)
		return powerOff()
	}
	w := newWire(port)
	if err := guestWork(w); err != nil {
		_ = w.send(frameFailed, []byte(err.Error()))
	}
	return powerOff()
}

// guestWork sends the exit code on success, and leaves it to the caller to report an error.
func guestWork(w *wire) error {
	if err := enterHostRoot(); err != nil {
		return err
	}
	if err := furnish(); err != nil {
		return err
	}
	if err := w.send(frameReady, nil); err != nil {
		return err
	}
	j, err := receiveJob(w)
	if err != nil {
		return err
	}
	if err := prepare(j); err != nil {
		return err
	}
	code := runJob(w, j)
	if err := packOutputs(w.writer(frameFiles), j.Outputs); err != nil {
		return err
	}
	return w.send(frameExit, []byte{byte(code)})
}

func receiveJob(w *wire) (job, error) {
	var j job
	kind, payload, err := w.receive()
	if err == nil && kind != frameJob {
		err = fmt.Errorf("got %q", kind)
	}
	if err == nil {
		err = json.Unmarshal(payload, &j)
	}
	if err != nil {
		return job{}, fmt.Errorf("receive job: %w", err)
	}
	return j, nil
}

// prepare makes the machine fit for one job: the clock, which started at a whole second, and the kernel's modules at
// the place where modprobe and the kernel's own requests look.
func prepare(j job) error {
	now := unix.NsecToTimeval(j.Clock)
	if err := unix.Settimeofday(&now); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	target := filepath.Join("/lib/modules", filepath.Base(j.Modules))
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(j.Modules, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount --bind %s %s: %w", j.Modules, target, err)
	}
	return nil
}

// wake mounts the kernel's own file systems and loads the modules of the initramfs.
func wake() error {
	if err := mountAll(mountpoint{"sysfs", "/sys", "sysfs", 0, ""}, mountpoint{"devtmpfs", "/dev", "devtmpfs", 0, ""}); err != nil {
		return err
	}
	return loadModules()
}

// reachLauncher wakes the machine and opens the port to the launcher.
func reachLauncher() (*os.File, error) {
	if err := wake(); err != nil {
		return nil, err
	}
	return openPort()
}

// patience is how long a device may take to show up: it announces itself on its own time.
const patience = 10 * time.Second

func openPort() (*os.File, error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if dev, ok := findPort(); ok {
			return os.OpenFile(dev, os.O_RDWR, 0)
		}
	}
	return nil, fmt.Errorf("no virtio port %s after %v", portName, patience)
}

// findPort looks for the port by its name, since there is no udev to make a link.
func findPort() (string, bool) {
	names, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
	for _, file := range names {
		name, err := os.ReadFile(file)
		if err == nil && strings.TrimSpace(string(name)) == portName {
			return "/dev/" + filepath.Base(filepath.Dir(file)), true
		}
	}
	return "", false
}

func loadModules() error {
	order, err := os.ReadFile(initramfsOrder)
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(order)) {
		if err := loadModule(filepath.Join(initramfsModules, name)); err != nil {
			return fmt.Errorf("insmod %s: %w", name, err)
		}
	}
	return nil
}

func loadModule(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	flags := 0
	if !strings.HasSuffix(file, ".ko") {
		flags = unix.MODULE_INIT_COMPRESSED_FILE
	}
	err = unix.FinitModule(int(f.Fd()), "", flags)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

func powerOff() int {
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	return codeFailed // the kernel panics when process 1 ends, and the launcher sees that
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const qemu = "qemu-system-x86_64"

// hardware is what a machine is made of.
type hardware struct {
	accel   string // tcg or kvm
	memory  int    // MiB
	cpus    int    // 0: as many as do it good
	append  []string
	verbose bool
	// disk is the image of a host's root: what the host writes is kept while it runs, over reboots too. Empty: a
	// machine for one job.
	disk string
}

// processors is how many the machine gets. More than one emulated processor loses more than it gains wherever the host
// has other work: one waits for a lock whose holder is not running. And on qemu 7.2 kernel 6.12 now and then crashes
// with two (a double fault at cmpxchg16b).
func (h hardware) processors() int {
	switch {
	case h.cpus > 0:
		return h.cpus
	case h.accel == "kvm":
		return 2
	default:
		return 1
	}
}

// The file descriptors that qemu inherits: no socket and no file of a machine has a name that could outlive it.
const (
	portFD      = 3
	initramfsFD = 4
)

// qemuArgs is qemu's command line for kernel k.
func qemuArgs(k kernel, h hardware) []string {
	accel, cpu := "tcg,thread=multi", "max"
	if h.accel == "kvm" {
		accel, cpu = "kvm", "host"
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none",
		"-machine", "pc", "-accel", accel, "-cpu", cpu,
		"-smp", strconv.Itoa(h.processors()), "-m", strconv.Itoa(h.memory), "-rtc", "base=utc",
		"-kernel", k.image, "-initrd", fmt.Sprintf("/proc/self/fd/%d", initramfsFD), "-append", kernelParameters(h),
		"-serial", "stdio",
		"-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
		"-device", "virtio-9p-pci,fsdev=root,mount_tag=hostroot",
		"-device", "virtio-serial-pci",
		"-chardev", fmt.Sprintf("socket,id=port,fd=%d", portFD),
		"-device", "virtserialport,chardev=port,name=" + portName,
	}
	if h.disk == "" {
		return append(args, "-no-reboot")
	}
	return append(args, hostArgs(h.disk)...)
}

// hostArgs are what a host has beside a machine for one job: a disk, and two NICs on a cable between them, so that
// one can be the host's own and the other one the rest of the world's.
func hostArgs(disk string) []string {
	args := []string{"-drive", "if=virtio,format=raw,snapshot=on,file=" + strings.ReplaceAll(disk, ",", ",,")}
	for _, nic := range []string{"0", "1"} {
		args = append(args,
			"-netdev", "hubport,hubid=0,id=nic"+nic,
			"-device", "virtio-net-pci,romfile=,netdev=nic"+nic+",mac=52:54:00:00:00:0"+nic)
	}
	return args
}

// kernelParameters come in an order in which the caller's win.
func kernelParameters(h hardware) string {
	p := []string{
		"console=ttyS0",
		"panic=-1", "oops=panic", // the launcher takes the end of qemu for the end of the machine
		"random.trust_cpu=on",           // the only source of entropy there is
		"mitigations=off", "nowatchdog", // nobody attacks, and an emulated processor is often late
		"tsc=reliable",    // or else two emulated processors fall back to the slow HPET
		"init_on_alloc=0", // 5.10's 9p allocates the largest message for every open
	}
	if h.verbose {
		p = append(p, "loglevel=7")
	} else {
		p = append(p, "quiet")
	}
	return strings.Join(append(p, h.append...), " ")
}

// startQemu starts a machine and returns it with its port open. Qemu dies with this process, provided the calling
// goroutine is locked to its thread.
func startQemu(k kernel, h hardware, initramfs []byte, console *tail) (*machine, error) {
	path, err := findTool(qemu)
	if err != nil {
		return nil, err
	}
	port, guestPort, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer guestPort.Close()
	image, err := memoryFile("initramfs", initramfs)
	if err != nil {
		port.Close()
		return nil, err
	}
	defer image.Close()
	m := &machine{port: port, wire: newWire(port), console: console, stderr: &tail{keep: 4 << 10}}
	m.cmd = exec.Command(path, qemuArgs(k, h)...)
	m.cmd.Stdout, m.cmd.Stderr = m.console, m.stderr
	m.cmd.ExtraFiles = []*os.File{guestPort, image}
	// A group of its own: a terminal's interrupt is for rslab to hand to the command.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := m.cmd.Start(); err != nil {
		port.Close()
		return nil, fmt.Errorf("%s: %w", qemu, err)
	}
	return m, nil
}

func socketPair() (mine, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	// Only a descriptor that does not block lets Close end a Read.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "port"), os.NewFile(uintptr(fds[1]), "guest port"), nil
}

func memoryFile(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(data); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

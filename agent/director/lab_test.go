//go:build lab && linux

package director

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKernel is everything that needs a kernel with IPVS, in the order in which it has to happen. It runs in the lab:
//
//	go test -tags lab -exec "bin/rslab exec --" ./agent/director
func TestKernel(t *testing.T) {
	if _, err := os.Stat("/run/rslab"); err != nil || os.Getenv("RSLAB") != "1" {
		t.Fatal("this test programs a kernel: run it in the lab, by rslab exec")
	}
	t.Run("no IPVS", noIPVS)
	t.Run("conformance", func(t *testing.T) { conformance(t, openKernel) })
	t.Run("no privilege", noPrivilege)
	t.Run("foreign table", foreignEntries)
	t.Run("as ipvsadm prints it", asIpvsadm)
	t.Run("ipvsadm-restore reads our file", ipvsadmRestore)
	t.Run("counters, rr", func(t *testing.T) { counters(t, "rr", []int{1, 1, 0, 5}, []uint64{3, 3, 0, 3}) })
	t.Run("counters, wrr", func(t *testing.T) { counters(t, "wrr", []int{4, 3, 0, 2}, []uint64{12, 9, 0, 6}) })
	t.Run("namespace of Open", namespaceOfOpen)
	t.Run("IPVS encapsulates as we do", encapsulatesAsKernel)
}

// newNetns moves the test into a fresh network namespace, with a NIC dir0 that is up and has the VIP. The thread is never unlocked and
// so dies with the test.
func newNetns(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	ok(t, unix.Unshare(unix.CLONE_NEWNET))
	for _, command := range []string{
		"ip link set lo up",
		"ip link add dir0 type dummy",
		"ip addr add 172.25.84.4/24 dev dir0",
		"ip addr add 172.25.84.100/32 dev dir0",
		"ip link set dir0 up",
	} {
		run(t, "", command)
	}
}

func openKernel(t *testing.T) *Director {
	t.Helper()
	newNetns(t)
	d, err := Open()
	ok(t, err)
	t.Cleanup(func() { ok(t, d.Close()) })
	return d
}

// run runs a command in the thread's namespaces and returns what it prints.
func run(t *testing.T, stdin, command string) string {
	t.Helper()
	words := strings.Fields(command)
	cmd := exec.Command(words[0], words[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, stderr.String())
	}
	return stdout.String()
}

// noIPVS forbids the module to load. It mounts over modprobe's configuration, so that on a kernel that it shares with
// others nothing of theirs changes.
func noIPVS(t *testing.T) {
	modules, err := os.ReadFile("/proc/modules")
	ok(t, err)
	if bytes.Contains(modules, []byte("ip_vs ")) {
		t.Skip("ip_vs is loaded already")
	}
	const dir = "/etc/modprobe.d"
	ok(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	defer func() { ok(t, unix.Unmount(dir, 0)) }()
	for _, rule := range []string{"install ip_vs /bin/false\n", "blacklist ip_vs\n"} {
		ok(t, os.WriteFile(dir+"/director-test.conf", []byte(rule), 0o644))
		d, err := Open()
		if err == nil {
			_ = d.Close()
			t.Fatalf("%swant ErrNoIPVS, got a director", rule)
		}
		refused(t, err, ErrNoIPVS, "ipvs: ip_vs: not in this kernel: modprobe ip_vs")
	}
}

// noPrivilege gives up this thread's capabilities, for good, and then asks.
func noPrivilege(t *testing.T) {
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	ok(t, unix.Capset(&header, &none[0]))
	_, err := Open()
	refused(t, err, fs.ErrPermission, "ipvs: operation not permitted (needs root or CAP_NET_ADMIN in this network namespace)")
}

// namespaceOfOpen: a director stays with the namespace that it was opened in, wherever its methods are called from.
func namespaceOfOpen(t *testing.T) {
	first := openKernel(t)
	newNetns(t)
	second, err := Open()
	ok(t, err)
	defer second.Close()
	ok(t, first.AddService(web("rr")))
	expect(t, first, ServiceStatus{Service: web("rr")})
	expect(t, second)
	done := make(chan error)
	go func() {
		list, err := first.List()
		if err == nil && len(list) != 1 {
			err = fmt.Errorf("want 1 service, got %v", list)
		}
		done <- err
	}()
	ok(t, <-done)
	if here := run(t, "", "ipvsadm -Sn"); here != "" {
		t.Errorf("this namespace: want an empty table, got\n%s", here)
	}
}

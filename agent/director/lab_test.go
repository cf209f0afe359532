//go:build lab && linux

package director

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
	t.Run("the VIP in ip addr", vipInIPAddr)
	t.Run("rr and counters", func(t *testing.T) { schedule(t, "rr", pool(1, 1, 0, 5), 3) })
	t.Run("wrr and counters", func(t *testing.T) { schedule(t, "wrr", pool(4, 3, 0, 2), 9) })
	t.Run("namespace of Open", namespaceOfOpen)
	t.Run("IPVS encapsulates as we do", encapsulatesAsKernel)
}

// newNetns moves the test into a fresh network namespace, with a NIC dir0 that is up. The thread is never unlocked and
// so dies with the test.
func newNetns(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	ok(t, unix.Unshare(unix.CLONE_NEWNET))
	for _, command := range []string{
		"ip link set lo up",
		"ip link add dir0 type dummy",
		"ip addr add 172.25.84.4/24 dev dir0",
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

	nic, err := openNIC()
	ok(t, err)
	d := &Director{table: newFakeTable(), nic: nic}
	defer d.Close()
	refused(t, d.AddVIP("lo", vip), fs.ErrPermission,
		"ip addr add 172.25.84.100/32 dev lo: operation not permitted (needs root or CAP_NET_ADMIN in this network namespace)")
}

// foreignEntries has ipvsadm make the table of the golden files, and reads it.
func foreignEntries(t *testing.T) {
	d := openKernel(t)
	rules, err := os.ReadFile("testdata/table.sn")
	ok(t, err)
	run(t, string(rules), "ipvsadm-restore")
	expect(t, d, foreignTable()...)
	compareWithIpvsadm(t, d)
	ok(t, d.Clear())
	expect(t, d)
	if left := run(t, "", "ipvsadm -Sn"); left != "" {
		t.Errorf("after Clear: want nothing, got\n%s", left)
	}
}

// compareWithIpvsadm holds our listing and our file against ipvsadm's.
func compareWithIpvsadm(t *testing.T, d *Director) {
	t.Helper()
	info, err := d.Info()
	ok(t, err)
	list, err := d.List()
	ok(t, err)
	var ln, sn strings.Builder
	ok(t, Render(&ln, info, list))
	ok(t, d.Save(&sn))
	if diff := cmp.Diff(run(t, "", "ipvsadm -Ln"), ln.String()); diff != "" {
		t.Errorf("ipvsadm -Ln (-theirs +ours):\n%s", diff)
	}
	if diff := cmp.Diff(run(t, "", "ipvsadm -Sn"), sn.String()); diff != "" {
		t.Errorf("ipvsadm -Sn (-theirs +ours):\n%s", diff)
	}
}

func asIpvsadm(t *testing.T) {
	d := openKernel(t)
	compareWithIpvsadm(t, d)
	port := uint16(1)
	for _, protocol := range []Protocol{TCP, UDP} {
		for _, scheduler := range []string{"rr", "wrr", "lc", "wlc", "sh", "mh"} {
			s := Service{VIP: vip, Port: port, Protocol: protocol, Scheduler: scheduler}
			port = port*3 + 1
			ok(t, d.AddService(s))
			ok(t, d.AddRealServer(s, RealServer{RIP: rs2, Weight: int(port)}))
			ok(t, d.AddRealServer(s, RealServer{RIP: rs1, Weight: 1}))
			ok(t, d.SetWeight(s, rs1, 0))
		}
	}
	compareWithIpvsadm(t, d)
}

func ipvsadmRestore(t *testing.T) {
	d := openKernel(t)
	path := t.TempDir() + "/table"
	ok(t, d.Restore(strings.NewReader(saved)))
	before, err := d.List()
	ok(t, err)
	ok(t, d.SaveFile(path))
	run(t, "", "ipvsadm -C")
	expect(t, d)
	file, err := os.ReadFile(path)
	ok(t, err)
	run(t, string(file), "ipvsadm-restore")
	expect(t, d, before...)
	// And the other way: what ipvsadm-save writes, we read.
	theirs := run(t, "", "ipvsadm-save -n")
	ok(t, d.Clear())
	ok(t, d.Restore(strings.NewReader(theirs)))
	expect(t, d, before...)
}

func vipInIPAddr(t *testing.T) {
	d := openKernel(t)
	before := run(t, "", "ip -4 -o addr show dev dir0")
	var with string
	for range 2 {
		ok(t, d.AddVIP("dir0", vip))
		with = run(t, "", "ip -4 -o addr show dev dir0")
		if strings.Count(with, "inet 172.25.84.100/32 scope global dir0") != 1 {
			t.Errorf("want the VIP once, got\n%s", with)
		}
	}
	// The same address with another prefix is not ours to take away.
	run(t, "", "ip addr add 172.25.84.100/24 dev dir0")
	for range 2 {
		ok(t, d.RemoveVIP("dir0", vip))
	}
	run(t, "", "ip addr del 172.25.84.100/24 dev dir0")
	if after := run(t, "", "ip -4 -o addr show dev dir0"); after != before {
		t.Errorf("addresses:\nbefore %s\n after %s", before, after)
	}
}

// firstRIP is the last byte of the first server's RIP in schedule.
const firstRIP = 11

// schedule sends datagrams to the VIP and holds the kernel's choices against our scheduler's, over whole cycles. Where
// in its cycle the kernel begins depends on how the servers were added.
func schedule(t *testing.T, scheduler string, servers []RealServer, cycle int) {
	d := openKernel(t)
	s := Service{VIP: vip, Port: 53, Protocol: UDP, Scheduler: scheduler}
	for i := range servers {
		servers[i].RIP = netip.AddrFrom4([4]byte{172, 25, 84, byte(firstRIP + i)})
	}
	ok(t, d.AddVIP("dir0", vip))
	ok(t, d.AddService(s))
	for _, rs := range slices.Backward(servers) { // the kernel goes from the last one added to the first
		ok(t, d.AddRealServer(s, rs))
	}
	sent := 3 * cycle
	got := chosen(t, sendFrom(t, sent))

	var next func() (RealServer, bool)
	if next = NewRoundRobin(servers).Next; scheduler == "wrr" {
		next = NewWeightedRoundRobin(servers).Next
	}
	want := take(next, sent+cycle)
	found := false
	for i := range cycle {
		found = found || slices.Equal(want[i:i+sent], got)
	}
	if !found {
		t.Errorf("want the kernel's choices somewhere in our cycle:\n ours %v\nkernel %v", want, got)
	}
	if served := counted(t, d, sent); !slices.Equal(served, tally(got, len(servers))) {
		t.Errorf("connections of the servers: want %v, got %v", tally(got, len(servers)), served)
	}
	compareWithIpvsadm(t, d)
}

// sendFrom sends n datagrams of 10 bytes, each from a port of its own, and returns the ports.
func sendFrom(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		conn, err := net.Dial("udp4", "172.25.84.100:53")
		ok(t, err)
		_, err = conn.Write([]byte("0123456789"))
		ok(t, err)
		ports = append(ports, conn.LocalAddr().(*net.UDPAddr).Port)
		defer conn.Close() // a port is not given out twice
	}
	return ports
}

// chosen reads from the kernel's connection table which server each port was sent to, by the last byte of its RIP.
func chosen(t *testing.T, ports []int) []int {
	t.Helper()
	byPort := make(map[int]int)
	for _, line := range strings.Split(run(t, "", "cat /proc/net/ip_vs_conn"), "\n")[1:] {
		words := strings.Fields(line) // protocol, client, its port, VIP, its port, RIP, its port, ..., all in hex
		if len(words) < 7 {
			continue
		}
		port, err := strconv.ParseUint(words[2], 16, 16)
		ok(t, err)
		rip, err := strconv.ParseUint(words[5], 16, 32)
		ok(t, err)
		byPort[int(port)] = int(rip & 0xff)
	}
	var out []int
	for _, p := range ports {
		out = append(out, byPort[p])
	}
	return out
}

func tally(choices []int, servers int) []int {
	out := make([]int, servers)
	for _, c := range choices {
		if i := c - firstRIP; i >= 0 && i < servers {
			out[i]++
		}
	}
	return out
}

// counted waits until the service's counters have come up with what was sent, and returns the servers' connections.
func counted(t *testing.T, d *Director, sent int) []int {
	t.Helper()
	want := Counters{Connections: uint64(sent), PacketsIn: uint64(sent), BytesIn: uint64(sent * (20 + 8 + 10))}
	var list []ServiceStatus
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		var err error
		list, err = d.List()
		ok(t, err)
		if len(list) == 1 && list[0].Counters == want {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("counters: want %+v, got %+v", want, list)
		}
	}
	out := make([]int, len(list[0].Servers))
	for i, rs := range list[0].Servers {
		out[i] = int(rs.Counters.Connections)
		if rs.InactiveConnections != uint32(out[i]) || rs.ActiveConnections != 0 {
			t.Errorf("%s: want %d inactive connections, got %+v", rs.RIP, out[i], rs)
		}
	}
	return out
}

// namespaceOfOpen sees to it that a director stays with the namespace that it was opened in, wherever its methods are
// called from.
func namespaceOfOpen(t *testing.T) {
	first := openKernel(t)
	newNetns(t)
	second, err := Open()
	ok(t, err)
	defer second.Close()
	ok(t, first.AddService(web("rr")))
	ok(t, first.AddVIP("dir0", vip))
	expect(t, first, ServiceStatus{Service: web("rr")})
	expect(t, second)
	if here := run(t, "", "ip -4 -o addr show dev dir0"); strings.Contains(here, "172.25.84.100") {
		t.Errorf("the VIP went to the wrong namespace:\n%s", here)
	}
	done := make(chan error)
	go func() {
		list, err := first.List()
		if err == nil && len(list) != 1 {
			err = fmt.Errorf("want 1 service, got %v", list)
		}
		done <- errors.Join(err, first.RemoveVIP("dir0", vip))
	}()
	ok(t, <-done)
	if here := run(t, "", "ipvsadm -Sn"); here != "" {
		t.Errorf("this namespace: want an empty table, got\n%s", here)
	}
}

//go:build lab

package linux_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/agent/linux"
)

// dump is everything that a probe device could leave behind in the namespace.
func dump(t testing.TB) string {
	t.Helper()
	return sh(t, "sh", "-ec", `ip -o link; ip -o addr; ip route show table all; ip rule; cd /proc/sys/net/ipv4/conf; grep -H . */*`)
}

func openProbe(t testing.TB, avoid ...netip.Addr) *linux.ProbeDevice {
	t.Helper()
	d, err := linux.OpenProbeDevice(avoid...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestProbeDeviceComesAndGoes(t *testing.T) {
	inNamespace(t)
	sh(t, "modprobe", "tun")
	before := dump(t)
	d := openProbe(t)
	if err := d.Check(); err != nil {
		t.Error(err)
	}
	got, err := open(t).Observe(context.Background(), agent.Desired{}.Normal())
	if err != nil {
		t.Fatal(err)
	}
	if l, ok := got.Link(d.Name()); !ok || l.ARP || !l.Up || l.Fallback() || !strings.HasPrefix(l.Name, linux.ProbePrefix) {
		t.Errorf("got %+v, %v, want a device that is up and answers no ARP", l, ok)
	}
	if c, err := d.Counters(); err != nil || len(c) < 100 {
		t.Errorf("got %d counters, %v", len(c), err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, dump(t)); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

// Two at once, a command beside the daemon, have a device and addresses each.
func TestProbeDevicesDoNotMeet(t *testing.T) {
	inNamespace(t)
	sh(t, "modprobe", "tun")
	one, two := openProbe(t), openProbe(t)
	defer one.Close()
	defer two.Close()
	seen := map[netip.Addr]bool{one.Client(): true, one.Stranger(): true, two.Client(): true, two.Stranger(): true}
	if len(seen) != 4 || one.Name() == two.Name() {
		t.Errorf("got %s %s %s and %s %s %s", one.Name(), one.Client(), one.Stranger(), two.Name(), two.Client(), two.Stranger())
	}
}

func TestProbeDeviceTakesNobodysAddress(t *testing.T) {
	inNamespace(t)
	sh(t, "modprobe", "tun")
	sh(t, "sh", "-ec", `ip link add d0 type dummy; ip link set d0 up; ip addr add 192.0.2.1/24 dev d0
		ip route add default via 192.0.2.2; ip route add blackhole 198.51.100.0/24`)
	avoid := netip.MustParseAddr("198.51.100.254")
	d := openProbe(t, avoid)
	defer d.Close()
	for _, a := range []netip.Addr{d.Client(), d.Stranger()} {
		if a == avoid || netip.MustParsePrefix("192.0.2.0/24").Contains(a) {
			t.Errorf("took %s", a)
		}
	}
	for addr, want := range map[string]bool{"192.0.2.1": false, "192.0.2.7": true, "8.8.8.8": true, "198.51.100.7": false} {
		if got := d.Passes(netip.MustParseAddr(addr)); got != want {
			t.Errorf("passes %s: got %v", addr, got)
		}
	}
	sh(t, "ip", "link", "set", d.Name(), "down")
	if d.Check() == nil {
		t.Error("check: got nil for a device that is down")
	}
	sh(t, "ip", "route", "add", "203.0.113.0/24", "via", "192.0.2.2")
	sh(t, "ip", "route", "replace", "198.51.100.0/24", "via", "192.0.2.2")
	if d, err := linux.OpenProbeDevice(); err == nil {
		t.Errorf("every network is in use: took %s", d.Client())
	}
}

// A process that is killed takes everything with it.
func TestProbeDeviceDiesWithItsProcess(t *testing.T) {
	if os.Getenv("PROBE_HOLD") != "" {
		d := openProbe(t)
		fmt.Println("held", d.Name())
		time.Sleep(time.Minute)
		return
	}
	inNamespace(t)
	sh(t, "modprobe", "tun")
	before := dump(t)
	child := exec.Command("/proc/self/exe", "-test.run=^TestProbeDeviceDiesWithItsProcess$")
	child.Env = append(os.Environ(), "PROBE_HOLD=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan() && !strings.HasPrefix(lines.Text(), "held"); {
	}
	if held := dump(t); !strings.Contains(held, linux.ProbePrefix) {
		t.Errorf("the child has no device:\n%s", held)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	if diff := cmp.Diff(before, dump(t)); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

func TestProbeDeviceSaysWhatIsMissing(t *testing.T) {
	inNamespace(t)
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		t.Fatal(err)
	}
	sh(t, "modprobe", "tun")
	sh(t, "mount", "--make-rprivate", "/")
	sh(t, "mount", "-t", "tmpfs", "none", "/dev/net")
	if _, err := linux.OpenProbeDevice(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/dev/net/tun") {
		t.Errorf("got %v", err)
	}
	if _, err := linux.OpenProbeWire(netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("192.0.2.10")); err == nil {
		t.Error("wire: got nil without a route")
	}
}

//go:build lab

package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

var anyInstant = cmpopts.IgnoreFields(Actor{}, "Time")

func ip(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command("ip", args...)
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

func wait(t testing.TB, c *exec.Cmd) {
	t.Helper()
	if err := c.Wait(); err != nil {
		t.Fatalf("%s: %v", c, err)
	}
}

func TestRequesterIsNamed(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	r, next := mustRecord(t), announced(t)
	for _, verb := range []string{"add", "del"} {
		before := time.Now()
		c := ip(t, "addr", verb, "192.0.2.1/32", "dev", "lo")
		wait(t, c)
		a := next()
		got, ok := r.RequestBy(a.port, a.seq)
		want := Actor{PID: c.Process.Pid, Comm: "ip", NetNS: netNS(t)}
		if diff := cmp.Diff(want, got, anyInstant); diff != "" || !ok {
			t.Errorf("%s: %v (-want +got):\n%s", verb, ok, diff)
		}
		if got.Time.Before(before.Add(-time.Millisecond)) || got.Time.After(time.Now()) {
			t.Errorf("%s: at %s, not since %s", verb, got.Time, before)
		}
		if got, ok := r.RequestBy(a.port, a.seq+1000); ok {
			t.Errorf("%s: no such request, got %+v", verb, got)
		}
	}
}

func TestEachRequesterIsTheRightOne(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	const count = 200
	sh(t, fmt.Sprintf("for i in $(seq 0 %d); do echo addr add 192.0.2.$i/32 dev lo; done | ip -b -", count-1))
	r, next := mustRecord(t), announced(t)
	all := make([]*exec.Cmd, count)
	for i := range all {
		all[i] = ip(t, "addr", "del", fmt.Sprintf("192.0.2.%d/32", i), "dev", "lo")
	}
	for _, c := range all {
		wait(t, c)
	}
	for range all {
		a := next()
		got, ok := r.RequestBy(a.port, a.seq)
		want := Actor{PID: all[a.addr[3]].Process.Pid, Comm: "ip", NetNS: netNS(t)}
		if diff := cmp.Diff(want, got, anyInstant); diff != "" || !ok {
			t.Errorf("%v: %v (-want +got):\n%s", a.addr, ok, diff)
		}
	}
}

// The namespace is that of the socket, wherever its owner went since; a request
// in another namespace is not taken for one here, though it has the same port
// and number.
func TestSamePortElsewhere(t *testing.T) {
	elsewhere(t, "here", func() {
		sh(t, "ip addr add 192.0.2.1/32 dev lo")
		r, next, here := mustRecord(t), announced(t), bind(t, unix.SockaddrNetlink{Pid: 4242})
		ns := netNS(t)
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
		}
		here.remove(t, 7, [4]byte{192, 0, 2, 1})
		elsewhere(t, "there", func() {
			sh(t, "ip addr add 192.0.2.1/32 dev lo")
			heard := announced(t)
			bind(t, unix.SockaddrNetlink{Pid: 4242}).remove(t, 7, [4]byte{192, 0, 2, 1})
			if a := heard(); a.port != 4242 || a.seq != 7 {
				t.Errorf("there: announced %+v", a)
			}
		})
		a := next()
		got, ok := r.RequestBy(a.port, a.seq)
		want := Actor{PID: os.Getpid(), Comm: "here", NetNS: ns}
		if diff := cmp.Diff(want, got, anyInstant); diff != "" || !ok || a.port != 4242 || a.seq != 7 {
			t.Errorf("%+v: %v (-want +got):\n%s", a, ok, diff)
		}
	})
}

// An address that goes with its device was not requested.
func TestNoRequester(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	sh(t, "ip link add d0 type dummy; ip addr add 192.0.2.1/32 dev d0")
	r, next := mustRecord(t), announced(t)
	sh(t, "ip link del d0")
	a := next()
	if got, ok := r.RequestBy(a.port, a.seq); ok {
		t.Errorf("%+v: got %+v", a, got)
	}
}

// The last requesters are known, however many requests fail.
func TestLastRequestersAreKnown(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	r, p := mustRecord(t), bind(t, unix.SockaddrNetlink{Pid: 4242})
	size := int(r.objects.Requesters.MaxEntries())
	many := 3 * size
	for seq := range uint32(many) {
		p.remove(t, seq, [4]byte{192, 0, 2, 1})
		if _, ok := r.RequestBy(p.number, seq); !ok {
			t.Fatalf("%d is forgotten at once", seq)
		}
	}
	known := 0
	for seq := range uint32(many) {
		if _, ok := r.RequestBy(p.number, seq); ok {
			known++
		}
	}
	if _, first := r.RequestBy(p.number, 0); first || known > size {
		t.Errorf("%d known, the first one: %v", known, first)
	}
	t.Logf("%d of %d known", known, many)
}

// Who takes a device down is returned once; who only tried is not.
func TestLinkDownByIsNamed(t *testing.T) {
	elsewhere(t, "ioctl", func() {
		sh(t, "ip link set lo up; ip link add d0 type dummy")
		r, ns, lo := mustRecord(t), netNS(t), uint32(1)
		none := func(what string) {
			t.Helper()
			if got, ok := r.LinkDownBy(lo); ok {
				t.Errorf("%s: got %+v", what, got)
			}
		}
		down := func(want Actor) {
			t.Helper()
			got, ok := r.LinkDownBy(lo)
			want.NetNS = ns
			if diff := cmp.Diff(want, got, anyInstant); diff != "" || !ok {
				t.Errorf("%v (-want +got):\n%s", ok, diff)
			}
			none("returned already")
		}
		none("nothing happened")
		sh(t, "! setpriv --reuid=1234 ip link set lo down 2>/dev/null; ip link set lo mtu 1400; ip link set d0 up; ip link set d0 down")
		none("not permitted")
		elsewhere(t, "there", func() { sh(t, "ip link set lo up; ip link set lo down") })
		none("in another namespace")
		c := ip(t, "link", "set", "lo", "down")
		wait(t, c)
		down(Actor{PID: c.Process.Pid, Comm: "ip"})
		sh(t, "ip link set lo down; ip link set lo up")
		none("down already")
		ioctlDown(t, "lo")
		down(Actor{PID: os.Getpid(), Comm: "ioctl"})
	})
}

func TestCloseLeavesNoRequesters(t *testing.T) {
	before, had := programs(t), files(t)
	r, err := OpenRequesters(netNS(t))
	if err != nil {
		t.Fatal(err)
	}
	if programs(t) == before || files(t) == had {
		t.Error("no program is loaded")
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if got, ok := r.RequestBy(1, 1); ok {
		t.Errorf("after Close: got %+v", got)
	}
	if got := files(t); got != had {
		t.Errorf("left %s, had %s", got, had)
	}
	eventually(t, "the programs of before", func() bool { return programs(t) == before })
}

// Without a privilege the error says so; what a service has is enough.
func TestPrivilegeOfRequesters(t *testing.T) {
	if os.Getenv("REQUESTERS_CHILD") != "" {
		had := traces(t)
		r, err := OpenRequesters(netNS(t))
		fmt.Printf("permission=%v error=%v\n", errors.Is(err, fs.ErrPermission), err != nil)
		if err == nil {
			_ = r.Close()
		} else if diff := cmp.Diff(had, traces(t)); diff != "" {
			t.Errorf("left behind (-before +after):\n%s", diff)
		}
		return
	}
	before := programs(t)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &old); err != nil {
		t.Fatal(err)
	}
	limit := unix.Rlimit{Cur: 64 << 20, Max: 64 << 20} // as the unit has it; needed before Linux 5.11
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &old) }()
	for _, row := range []struct {
		caps []uintptr
		want string
	}{
		{nil, "permission=true error=true\nPASS\n"},
		{[]uintptr{unix.CAP_NET_ADMIN}, "permission=true error=true\nPASS\n"},
		{[]uintptr{unix.CAP_BPF, unix.CAP_PERFMON}, "permission=false error=false\nPASS\n"},
	} {
		child := exec.Command("/proc/self/exe", "-test.run=^TestPrivilegeOfRequesters$")
		child.Env = append(os.Environ(), "REQUESTERS_CHILD=1")
		child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: row.caps}
		out, err := child.CombinedOutput()
		if diff := cmp.Diff(row.want, string(out)); diff != "" || err != nil {
			t.Errorf("capabilities %v: %v (-want +got):\n%s", row.caps, err, diff)
		}
	}
	eventually(t, "the programs of before", func() bool { return programs(t) == before })
}

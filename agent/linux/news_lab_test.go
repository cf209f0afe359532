//go:build lab

package linux

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rsagent/agent"
)

// A listener watches the network of the machine, since a socket that is made
// anew is made on any thread, and a dummy device in it.
type listener struct {
	*testing.T
	*Host
	hints <-chan agent.Hint
}

func newListener(t *testing.T) listener {
	t.Helper()
	if os.Getenv("RSLAB") != "1" {
		t.Fatal("only in a disposable machine: go test -exec 'bin/rslab exec --'")
	}
	k, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	l := listener{T: t, Host: k}
	l.ip("link set dev lo up\n")
	l.hints = k.Watch(t.Context())
	l.quiet()
	return l
}

// ip carries out commands of ip(8), one a line.
func (l listener) ip(commands string) {
	l.Helper()
	c := exec.Command("ip", "-batch", "-")
	c.Stdin = strings.NewReader(commands)
	if out, err := c.CombinedOutput(); err != nil {
		l.Fatalf("ip: %v\n%s", err, out)
	}
}

// quiet takes hints until none comes, and returns what they said together.
func (l listener) quiet() agent.Hint {
	var all agent.Hint
	for {
		select {
		case h := <-l.hints:
			all = all.Merge(h)
		case <-time.After(300 * time.Millisecond):
			return all
		}
	}
}

// hears expects what is announced now to be told, as what it is.
func (l listener) hears() {
	l.Helper()
	for try := range 20 { // the socket may just be made anew
		address := fmt.Sprintf("10.0.0.%d/32", try+1)
		l.ip("addr add " + address + " dev lo\naddr del " + address + " dev lo\n")
		if h := l.quiet(); !h.All && len(h.Addrs) == 1 {
			return
		}
	}
	l.Error("what is announced is not heard")
}

// TestNewsLost makes the kernel announce more than the socket holds while
// nobody reads.
func TestNewsLost(t *testing.T) {
	l := newListener(t)
	n := l.source()
	if err := n.conn.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	n.mu.Lock() // nobody reads
	l.ip(strings.Repeat("addr add 10.9.9.9/32 dev lo\naddr del 10.9.9.9/32 dev lo\n", 200))
	n.mu.Unlock()
	if h := l.quiet(); !h.All {
		t.Errorf("hint %+v, want everything", h)
	}
	l.hears()
}

// TestNewsWithoutEnd has more announced than is read at once.
func TestNewsWithoutEnd(t *testing.T) {
	l := newListener(t)
	n := l.source()
	n.mu.Lock() // nobody reads
	n.most = 3
	l.ip(strings.Repeat("addr add 10.9.9.9/32 dev lo\naddr del 10.9.9.9/32 dev lo\n", 5))
	n.mu.Unlock()
	if h := l.quiet(); !h.All || len(h.Addrs) == 0 {
		t.Errorf("hint %+v, want everything, and what was read", h)
	}
	n.mu.Lock()
	n.most = newsAtOnce
	n.mu.Unlock()
	l.hears()
}

// TestMirrorPeers has two addresses that differ in their peers alone; when one
// is deleted, the other is still there.
func TestMirrorPeers(t *testing.T) {
	if out, err := exec.Command("modprobe", "ipip").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	l := newListener(t)
	l.source()
	vip := netip.MustParseAddr("172.25.84.100")
	want := agent.Desired{VIPs: []netip.Addr{vip}}.Normal()
	l.ip("link set dev tunl0 up\naddr add 172.25.84.100/32 dev tunl0 label tunl0:rs\n")
	l.observe(want)
	l.ip("addr add 172.25.84.100 peer 172.25.84.4 dev tunl0\n")
	whole := l.observe(want)
	l.ip("addr del 172.25.84.100 peer 172.25.84.4 dev tunl0\n")
	if got := l.observe(want.Focus(want.VIPs)); len(whole.Addrs) < 2 || len(got.Verdicts) != 1 {
		t.Errorf("the VIP is missing in the focused reading:\n%+v\nwhole, before:\n%+v", got.Addrs, whole.Addrs)
	}
}

// TestRemovePeer removes an address that has a peer, which the kernel does only
// if it is told so.
func TestRemovePeer(t *testing.T) {
	l := newListener(t)
	l.ip("addr add 10.8.8.8 peer 10.8.8.9 dev lo\n")
	del := agent.DelAddr{Device: "lo", Prefix: netip.MustParsePrefix("10.8.8.8/32"), Peer: netip.MustParseAddr("10.8.8.9")}
	if err := l.Apply(t.Context(), []agent.Action{del})[0]; err != nil {
		t.Error(err)
	}
	for _, a := range l.observe(agent.Desired{}.Normal()).Addrs {
		if a.Prefix == del.Prefix {
			t.Errorf("still there: %+v", a)
		}
	}
	l.ip("addr add 10.8.8.8 peer 10.8.8.9 dev lo\n" + strings.TrimPrefix(del.String(), "ip ") + "\n") // typed
}

func (l listener) observe(want agent.Desired) agent.Observed {
	l.Helper()
	got, err := l.Observe(l.Context(), want)
	if err != nil {
		l.Fatal(err)
	}
	return got
}

// TestNewsEnd closes the socket under the one who reads it. Everything is
// looked at then, and again when there is a new one.
func TestNewsEnd(t *testing.T) {
	l := newListener(t)
	again := false
	for range 3 { // who takes the first hint late gets both as one
		l.source().close()
		looks := 0
		for range 2 {
			select {
			case h := <-l.hints:
				if h.All {
					looks++
				}
			case <-time.After(time.Second):
			}
		}
		again = again || looks == 2
		l.hears()
	}
	if !again {
		t.Error("what happened while nobody listened is not looked for")
	}
}

// source returns the socket that is read now.
func (l listener) source() *news {
	l.Helper()
	for range 100 {
		l.mu.Lock()
		n := l.news
		l.mu.Unlock()
		if n != nil {
			return n
		}
		time.Sleep(50 * time.Millisecond)
	}
	l.Fatal("nobody listens")
	return nil
}

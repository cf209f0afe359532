//go:build lab

package lab_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent/lab"
)

// newNetwork returns a network that ends with the test, and the test's context.
func newNetwork(t *testing.T, opts ...lab.Option) (context.Context, *lab.Network) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	n, err := lab.New(ctx, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return ctx, n
}

// The classic recipe, typed by hand on both sides: this is what proves the network itself.
func TestClassicRecipe(t *testing.T) {
	start := time.Now()
	ctx, n := newNetwork(t, lab.WithWebServers())
	t.Logf("network up after %v", time.Since(start).Round(time.Millisecond))
	if err := n.DirectByHand(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n.ServeByHand(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("recipe done after %v", time.Since(start).Round(time.Millisecond))
	got, err := n.Tally(ctx, "http://"+lab.VIP+"/", 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("20 requests done after %v", time.Since(start).Round(time.Millisecond))
	want := map[string]int{lab.RS1Site: 10, lab.RS2Site: 10}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if data, err := n.Get(ctx, "http://"+lab.VIP+"/bytes/1000000"); err != nil || len(data) != 1000000 {
		t.Errorf("download: %d bytes, %v", len(data), err)
	}
}

// Without the real servers' side nothing answers: the director's packets arrive and disappear.
func TestNothingAnswersWithoutTheRecipe(t *testing.T) {
	ctx, n := newNetwork(t, lab.WithWebServers())
	if err := n.DirectByHand(ctx); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if body, err := n.Get(ctx, "http://"+lab.VIP+"/"); err == nil {
		t.Errorf("got %q", body)
	}
}

func TestHostsReachEachOther(t *testing.T) {
	ctx, n := newNetwork(t, lab.WithWebServers())
	for addr, want := range map[string]string{lab.RS1Addr: lab.RS1Site, lab.RS2Addr: lab.RS2Site} {
		for _, h := range n.Hosts() {
			if got, err := h.Get(ctx, "http://"+addr+"/"); got != want || err != nil {
				t.Errorf("from %s: got %q, %v, want %q", h.Name, got, err, want)
			}
		}
	}
}

func TestRun(t *testing.T) {
	ctx, n := newNetwork(t)
	out, err := n.RS1.Run(ctx, "sh", "-c", "echo out; echo one >&2; echo two >&2; exit 3")
	if out != "out\n" || err == nil {
		t.Fatalf("got %q, %v", out, err)
	}
	if want := "rs1: sh -c echo out; echo one >&2; echo two >&2; exit 3: exit status 3: one; two"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if _, err := n.RS1.Run(ctx, "no-such-command"); err == nil || !strings.Contains(err.Error(), "no-such-command") {
		t.Errorf("got %v", err)
	}
}

func TestDumpIsStableAndSeesChanges(t *testing.T) {
	ctx, n := newNetwork(t)
	dump := func() string {
		t.Helper()
		d, err := n.RS1.Dump(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	before := dump()
	time.Sleep(2500 * time.Millisecond) // duplicate address detection takes its time
	if diff := cmp.Diff(before, dump()); diff != "" {
		t.Errorf("two dumps of the same (-first +second):\n%s", diff)
	}
	for _, change := range []string{
		"ip addr add 172.25.84.77/32 dev lo", "ip link set dev eth0 mtu 1400", "sysctl -qw net.ipv4.conf.eth0.arp_ignore=1",
		"ip route add 192.0.2.0/24 dev eth0", "ip rule add from 192.0.2.1 lookup 77",
	} {
		command(ctx, t, n.RS1, change)
		after := dump()
		if after == before {
			t.Errorf("dump does not show: %s", change)
		}
		before = after
	}
	if _, err := os.Stat("/sys/module/ipip"); err == nil && !strings.Contains(before, "tunl0") {
		t.Error("ipip is loaded and tunl0 not in the dump")
	}
}

// What has been done to a tunnel and undone must not show, or no teardown could ever be found complete.
func TestDumpForgetsWhatWasUndone(t *testing.T) {
	ctx, n := newNetwork(t)
	command(ctx, t, n.RS1, "modprobe ipip")
	before, err := n.RS1.Dump(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{
		"ip link set dev tunl0 up", "ip addr add 172.25.84.100/32 dev tunl0 label tunl0:rs",
		"ip addr del 172.25.84.100/32 dev tunl0", "ip link set dev tunl0 down",
	} {
		command(ctx, t, n.RS1, c)
	}
	after, err := n.RS1.Dump(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("dump (-before +after):\n%s", diff)
	}
}

func command(ctx context.Context, t *testing.T, h *lab.Host, line string) {
	t.Helper()
	words := strings.Fields(line)
	if _, err := h.Run(ctx, words[0], words[1:]...); err != nil {
		t.Fatal(err)
	}
}

func TestDaemonIsStoppedAtClose(t *testing.T) {
	ctx, n := newNetwork(t)
	polite, err := n.RS1.Start(n.RS1.Command(ctx, "sh", "-c", "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.1; done"))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return polite.Output() == "hello\n" })
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := polite.Wait(); err != nil || polite.Output() != "hello\nbye\n" {
		t.Errorf("got %q, %v", polite.Output(), err)
	}
	if err := n.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if out, err := exec.Command("ip", "netns").CombinedOutput(); len(out) != 0 || err != nil {
		t.Errorf("left over: %s, %v", out, err)
	}
}

func TestStubbornDaemonIsKilled(t *testing.T) {
	ctx := t.Context()
	n, err := lab.New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	d, err := n.RS2.Start(n.RS2.Command(ctx, "sh", "-c", "trap '' TERM; echo hello; while :; do sleep 0.1; done"))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return d.Output() == "hello\n" })
	if err := d.Stop(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("got %v", err)
	}
	<-d.Done()
	if err := n.Close(); err == nil {
		t.Error("close says nothing of the daemon that it had to kill")
	}
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited for 10 s")
		}
	}
}

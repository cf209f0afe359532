//go:build lab

package audit

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

var anyTime = cmpopts.IgnoreFields(Actor{}, "Time")

func TestWriterIsNamed(t *testing.T) {
	const script = "echo 2 >" + conf + "all/arp_announce; read x || :"
	for _, row := range []struct {
		name string
		args []string
		comm string
		uid  int
	}{
		{"a shell", []string{"sh", "-c", script}, "sh", 0},
		{"a user", []string{"setpriv", "--reuid=1234", "--inh-caps=+net_admin", "--ambient-caps=+net_admin", "sh", "-c", script}, "sh", 1234},
		{"a name", []string{"sh", "-c", "printf 'a b' >/proc/self/comm; " + script}, "a b", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			inNamespaces(t, unix.CLONE_NEWNET)
			s := mustOpen(t, Options{})
			if !s.NamesWriter() || s.BetterErr() != nil {
				t.Errorf("got %v, %v", s.NamesWriter(), s.BetterErr())
			}
			l := listen(t, s)
			before := time.Now()
			w := start(t, row.args[0], row.args[1:]...)
			got := l.next(t)
			want := Write{
				Actor: Actor{PID: w.Process.Pid, UID: row.uid, Comm: row.comm, NetNS: netNS(t)},
				Key:   "net/ipv4/conf/all/arp_announce", Old: "0", New: "2",
			}
			if diff := cmp.Diff(want, got, anyTime); diff != "" {
				t.Errorf("write (-want +got):\n%s", diff)
			}
			if got.Time.Before(before.Add(-time.Millisecond)) || got.Time.After(time.Now()) {
				t.Errorf("at %s, not since %s", got.Time, before)
			}
			w.end(t)
		})
	}
}

// What `sysctl -w` writes, once; a process that ended before the record was read
// is known all the same.
func TestSysctlCommand(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	sh(t, "ip link add d0.7 type dummy")
	l := listen(t, mustOpen(t, Options{}))
	var want []Write
	for _, row := range []struct{ name, key, old, new string }{
		{"net.ipv4.conf.d0/7.rp_filter", "net/ipv4/conf/d0.7/rp_filter", "0", "2"},
		{"net.ipv4.ip_forward", "net/ipv4/ip_forward", "0", "1"},
		{"net.ipv4.conf.default.drop_unicast_in_l2_multicast", "net/ipv4/conf/default/drop_unicast_in_l2_multicast", "0", "1"},
	} {
		w := start(t, "sysctl", "-qw", row.name+"="+row.new)
		w.end(t)
		want = append(want, Write{
			Actor: Actor{PID: w.Process.Pid, Comm: "sysctl", NetNS: netNS(t)}, Key: row.key, Old: row.old, New: row.new,
		})
	}
	var got []Write
	for range want {
		got = append(got, l.next(t))
	}
	if diff := cmp.Diff(want, got, anyTime); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

// Reads and other keys give no record, and the values are not changed on their
// way.
func TestOnlyWritesOnlyOurs(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	l := listen(t, mustOpen(t, Options{}))
	sh(t, `cd /proc/sys; cat net/ipv4/conf/all/* net/ipv4/ip_forward >/dev/null
		echo 1 >net/ipv4/tcp_ecn; echo 1 >net/ipv6/conf/all/forwarding; echo 1 >net/ipv4/ip_forward_use_pmtu
		echo 0 >/proc/self/oom_score_adj
		echo 1 >net/ipv4/conf/all/arp_filter; echo 1 >net/ipv4/ip_forward`)
	got := map[string]bool{}
	for _, w := range l.until(t, "net/ipv4/ip_forward") {
		got[w.Key] = true
	}
	if diff := cmp.Diff(map[string]bool{"net/ipv4/conf/all/arp_filter": true}, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if got := sh(t, "cat "+conf+"all/arp_filter /proc/sys/net/ipv4/ip_forward"); got != "1\n1\n" {
		t.Errorf("values: got %q", got)
	}
}

func TestAuditsBesideEachOther(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	var all []*listener
	for range 3 {
		all = append(all, listen(t, mustOpen(t, Options{})))
	}
	w := start(t, "sh", "-c", "echo 1 >"+conf+"all/arp_ignore; read x || :")
	for i, l := range all {
		got := l.next(t)
		if got.PID != w.Process.Pid || got.Comm != "sh" || got.Key != "net/ipv4/conf/all/arp_ignore" {
			t.Errorf("audit %d: got %+v", i, got)
		}
	}
	w.end(t)
}

// Our own writes are delivered like others'.
func TestOwnWrites(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	l := listen(t, mustOpen(t, Options{}))
	if err := os.WriteFile(conf+"all/arp_ignore", []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := l.next(t); got.PID != os.Getpid() {
		t.Errorf("got %+v", got)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	before, had := programs(t), files(t)
	w, err := OpenWrites(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if files(t) == had || programs(t) == before {
		t.Error("no program is loaded")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if got := files(t); got != had {
		t.Errorf("left %s, had %s", got, had)
	}
	eventually(t, "the programs of before", func() bool { return programs(t) == before })
}

// programs are the IDs of what is loaded on this machine.
func programs(t testing.TB) string {
	t.Helper()
	var all []ebpf.ProgramID
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if err != nil {
			return fmt.Sprint(all)
		}
		all, id = append(all, next), next
	}
}

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

var ways = []string{"bpf", "fanotify"}

var anyTime = cmpopts.IgnoreFields(Write{}, "Time")

func TestWriterIsNamed(t *testing.T) {
	const key = "net/ipv4/conf/all/arp_announce"
	const script = "echo 2 >" + conf + "all/arp_announce; read x || :"
	for _, way := range ways {
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
			t.Run(way+"/"+row.name, func(t *testing.T) {
				inNamespaces(t, unix.CLONE_NEWNET)
				s := mustOpen(t, Options{Only: way})
				if s.Name() != way || !s.Attributes() || s.Degraded() != nil {
					t.Errorf("got %s, %v, %v", s.Name(), s.Attributes(), s.Degraded())
				}
				l := listen(t, s)
				before := time.Now()
				w := start(t, row.args[0], row.args[1:]...)
				got := l.next(t)
				want := Write{Key: key, PID: w.Process.Pid, UID: row.uid, Comm: row.comm, NetNS: netNS(t)}
				if way == "bpf" {
					want.Old, want.New = "0", "2"
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
}

// What `sysctl -w` writes, and only once; a process that ends at once is known
// to bpf all the same.
func TestSysctlCommand(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	sh(t, "ip link add d0.7 type dummy")
	l := listen(t, mustOpen(t, Options{Only: "bpf"}))
	var want []Write
	for _, row := range []struct{ name, key, old, new string }{
		{"net.ipv4.conf.d0/7.rp_filter", "net/ipv4/conf/d0.7/rp_filter", "0", "2"},
		{"net.ipv4.ip_forward", "net/ipv4/ip_forward", "0", "1"},
		{"net.ipv4.conf.default.drop_unicast_in_l2_multicast", "net/ipv4/conf/default/drop_unicast_in_l2_multicast", "0", "1"},
	} {
		w := start(t, "sysctl", "-qw", row.name+"="+row.new)
		w.end(t)
		want = append(want, Write{Key: row.key, Old: row.old, New: row.new, PID: w.Process.Pid, Comm: "sysctl", NetNS: netNS(t)})
	}
	var got []Write
	for range want {
		got = append(got, l.next(t))
	}
	if diff := cmp.Diff(want, got, anyTime); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

// Neither a reader nor a key that is none of ours is told of, and the values
// are not changed on their way.
func TestOnlyWritesOnlyOurs(t *testing.T) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			inNamespaces(t, unix.CLONE_NEWNET)
			l := listen(t, mustOpen(t, Options{Only: way}))
			sh(t, `cd /proc/sys; cat net/ipv4/conf/all/* net/ipv4/ip_forward >/dev/null
				echo 1 >net/ipv4/tcp_ecn; echo 1 >net/ipv6/conf/all/forwarding; echo 1 >net/ipv4/ip_forward_use_pmtu
				echo 0 >/proc/self/oom_score_adj
				echo 1 >net/ipv4/conf/all/arp_filter; echo 1 >net/ipv4/ip_forward`)
			told := map[string]bool{}
			for _, w := range l.until(t, "net/ipv4/ip_forward") {
				told[w.Key] = true
			}
			if diff := cmp.Diff(map[string]bool{"net/ipv4/conf/all/arp_filter": true}, told); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if got := sh(t, "cat "+conf+"all/arp_filter /proc/sys/net/ipv4/ip_forward"); got != "1\n1\n" {
				t.Errorf("values: got %q", got)
			}
		})
	}
}

func TestSourcesBesideEachOther(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	var all []*listener
	for _, way := range []string{"bpf", "fanotify", "bpf", "fanotify"} {
		all = append(all, listen(t, mustOpen(t, Options{Only: way})))
	}
	w := start(t, "sh", "-c", "echo 1 >"+conf+"all/arp_ignore; read x || :")
	for i, l := range all {
		got := l.next(t)
		if got.PID != w.Process.Pid || got.Comm != "sh" || got.Key != "net/ipv4/conf/all/arp_ignore" {
			t.Errorf("source %d: got %+v", i, got)
		}
	}
	w.end(t)
}

// Our own writes are told like others'.
func TestOwnWrites(t *testing.T) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			inNamespaces(t, unix.CLONE_NEWNET)
			l := listen(t, mustOpen(t, Options{Only: way}))
			if err := os.WriteFile(conf+"all/arp_ignore", []byte("1\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := l.next(t); got.PID != os.Getpid() {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// A writer that is gone when we look stays unknown.
func TestWriterThatIsGone(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	s := mustOpen(t, Options{Only: "fanotify"})
	w := start(t, "sh", "-c", "echo 1 >"+conf+"all/arp_ignore")
	w.end(t)
	want := Write{Key: "net/ipv4/conf/all/arp_ignore", PID: w.Process.Pid, UID: -1}
	if diff := cmp.Diff(want, listen(t, s).next(t), anyTime); diff != "" {
		t.Errorf("write (-want +got):\n%s", diff)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	before, had := programs(t), files(t)
	for _, way := range ways {
		s, err := Open(Options{Only: way})
		if err != nil {
			t.Fatal(err)
		}
		if held := files(t); held == had {
			t.Errorf("%s holds nothing", way)
		}
		if way == "bpf" && programs(t) == before {
			t.Error("no program is loaded")
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		if got := files(t); got != had {
			t.Errorf("%s left %s, had %s", way, got, had)
		}
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

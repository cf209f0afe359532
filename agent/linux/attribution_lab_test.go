//go:build lab

package linux

import (
	"context"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/agent/audit"
)

// served is a kernel in a namespace of its own, whose thread is never
// unlocked, with VIPs in place, and what it hears.
func served(t testing.TB, count int) (*Host, <-chan agent.Hint) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	status := make(chan AuditStatus, 2)
	k, err := New(WithAudit(func(s AuditStatus) { status <- s }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	var want agent.Desired
	for i := range count {
		want.VIPs = append(want.VIPs, vipNumber(i))
	}
	hints := k.Watch(t.Context())
	if s := <-status; !s.AddrActors {
		t.Fatal(s.AddrErr)
	}
	for range 2 { // the second one knows the names of all devices
		if _, err := agent.Pass(context.Background(), k, FileStore{Dir: t.TempDir()}, want.Normal()); err != nil {
			t.Fatal(err)
		}
	}
	return k, hints
}

func vipNumber(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{172, 25, byte(84 + i/200), byte(1 + i%200)})
}

// Who changes an address or takes the tunnel down is in the hint, by
// the ID of the finding.
func TestHintsNameWhoAsked(t *testing.T) {
	k, hints := served(t, 3)
	if errs := k.Apply(t.Context(), []agent.Action{agent.DelAddr{Device: "tunl0", Prefix: netip.PrefixFrom(vipNumber(2), 32)}}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	for _, row := range []struct{ script, id, got string }{
		{"addr del 172.25.84.1/32 dev tunl0", "addr/tunl0/172.25.84.1", "absent"},
		{"addr add 172.25.84.2/24 dev tunl0", "addr/tunl0/172.25.84.2/24", "present as 172.25.84.2/24"},
		{"addr add 172.25.84.2/32 dev lo", "addr/lo/172.25.84.2", "present as 172.25.84.2/32"},
		{"link set dev tunl0 down", "link/tunl0/up", "down"},
	} {
		c := exec.Command("sh", "-c", "exec ip "+row.script)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", row.script, err, out)
		}
		want := []agent.AuditRecord{{Subject: agenttest.Subject(row.id), New: row.got, By: agent.Actor{PID: c.Process.Pid, Comm: "ip"}}}
		if diff := cmp.Diff(want, traced(t, hints), cmpopts.IgnoreFields(agent.AuditRecord{}, "Time"), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.script, diff)
		}
	}
}

// traced are the next traces that a hint brings.
func traced(t *testing.T, hints <-chan agent.Hint) []agent.AuditRecord {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		select {
		case h := <-hints:
			if traces := h.Signed(); len(traces) > 0 {
				return traces
			}
		case <-late:
			t.Fatal("no traces")
		}
	}
}

// BenchmarkToldAddr is what an announcement of an address costs, without and
// with the look who asked for it.
func BenchmarkToldAddr(b *testing.B) {
	const count = 1000
	k, _ := served(b, count)
	var all []syscall.NetlinkMessage
	n, err := subscribe(func(messages []syscall.NetlinkMessage, _, _ bool) bool {
		for _, m := range messages {
			if m.Header.Type == unix.RTM_DELADDR {
				m.Data = slices.Clone(m.Data)
				all = append(all, m)
			}
		}
		return false
	})
	if err != nil {
		b.Fatal(err)
	}
	defer n.close()
	other, err := New()
	if err != nil {
		b.Fatal(err)
	}
	defer other.Close()
	var dels []agent.Action
	for i := range count {
		dels = append(dels, agent.DelAddr{Device: "tunl0", Prefix: netip.PrefixFrom(vipNumber(i), 32)})
	}
	other.Apply(b.Context(), dels)
	if err := n.catchUp(); err != nil || len(all) != count {
		b.Fatal(len(all), err)
	}
	requesters := k.requesters.Load()
	for _, way := range []string{"without", "with"} {
		k.requesters.Store(map[string]*audit.Requesters{"with": requesters}[way])
		b.Run(way, func(b *testing.B) {
			var took []time.Duration
			named := 0
			for range 5 {
				for i := range all {
					start := time.Now()
					h := k.toldAddr(&all[i], false)
					took = append(took, time.Since(start))
					named += len(h.Audit)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, "us-p50")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1000, "us-p99")
			b.ReportMetric(float64(named)/float64(len(took)), "named")
		})
	}
}

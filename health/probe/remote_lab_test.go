//go:build lab

package probe_test

import (
	"net/netip"
	"testing"
	"time"

	"rsagent/agent/lab"
	"rsagent/agent/linux"
	"rsagent/health/probe"
)

// remote opens a wire on the host and hands it over.
func remote(t *testing.T, h *lab.Host, rip string, target probe.Target) (probe.Remote, int) {
	t.Helper()
	r := probe.Remote{RIP: netip.MustParseAddr(rip), Target: target, Timeout: 300 * time.Millisecond}
	var mtu int
	err := h.Do(func() error {
		w, err := linux.OpenProbeWire(r.RIP, target.VIP)
		if err != nil {
			return err
		}
		t.Cleanup(func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
		r.Wire, r.Local, mtu = w, w.Local(), w.MTU()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, mtu
}

// From the director, which has the VIP itself, and from a host that has not.
func TestProbeFromAfar(t *testing.T) {
	ctx, n := newNetwork(t)
	if err := n.DirectByHand(ctx); err != nil {
		t.Fatal(err)
	}
	for _, h := range n.RealServers() {
		if err := h.Serve(h.Name); err != nil {
			t.Fatal(err)
		}
	}
	rows := []struct {
		name, do, undo string
		target         probe.Target
		outcome        probe.Outcome
		cause          probe.Cause
	}{
		{"healthy", "true", "true", labWeb, probe.Pass, ""},
		{"healthy, echo", "true", "true", labEcho, probe.Pass, ""},
		{"nothing listens", "true", "true", probe.Target{VIP: labVIP, Port: 81}, probe.Refused, probe.NothingListening},
		{"tunnel down", "ip link set tunl0 down", "ip link set tunl0 up; ip addr replace 172.25.84.100/32 dev tunl0", labWeb, probe.Fail, probe.TunnelDown},
		{"VIP deleted", "ip addr del 172.25.84.100/32 dev tunl0", "ip addr add 172.25.84.100/32 dev tunl0", labWeb, probe.Fail, probe.Silent},
		{"VIP deleted, forwarding", "sysctl -qw net.ipv4.ip_forward=1; ip addr del 172.25.84.100/32 dev tunl0", "sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.arp_ignore=1; ip addr add 172.25.84.100/32 dev tunl0", labWeb, probe.Fail, probe.Forwarded},
		{"rp_filter", "sysctl -qw net.ipv4.conf.all.rp_filter=1", "sysctl -qw net.ipv4.conf.all.rp_filter=0", labWeb, probe.Fail, probe.Silent},
		{"module removed", "modprobe -r ipip", "true", labWeb, probe.Fail, probe.NoModule},
	}
	for _, row := range rows {
		for _, from := range []*lab.Host{n.Director, n.Client} {
			for _, to := range n.RealServers() {
				t.Run(row.name+" from "+from.Name+" to "+to.Name, func(t *testing.T) {
					sh(ctx, t, to, row.do)
					defer sh(ctx, t, to, row.undo)
					r, _ := remote(t, from, to.Addr.String(), row.target)
					got := r.Probe(ctx)
					t.Logf("\n%s", show([]probe.Result{got}))
					if got.Outcome != row.outcome || got.Cause != row.cause {
						t.Errorf("got %s %q, want %s %q", got.Outcome, got.Cause, row.outcome, row.cause)
					}
				})
			}
		}
	}
}

func TestProbeFindsTheLargestPacket(t *testing.T) {
	ctx, n := newNetwork(t)
	if err := n.DirectByHand(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n.RS1.Serve("rs1"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, do string
		want     int
	}{
		{"Ethernet", "true", 1500 - 20},
		// A veth drops what is more than 4 bytes too long, which it grants for a VLAN's tag.
		{"a narrow place that says nothing", "ip link set eth0 mtu 1400", 1400 + 4 - 20},
	} {
		sh(ctx, t, n.RS1, row.do)
		for _, target := range []probe.Target{labWeb, labEcho} {
			r, mtu := remote(t, n.Director, lab.RS1Addr, target)
			start := time.Now()
			got, err := r.LargestPacket(ctx, mtu-20)
			t.Logf("%s, %s: %d bytes after %v", row.name, target, got, time.Since(start).Round(time.Millisecond))
			if err != nil || got != row.want {
				t.Errorf("%s, %s: got %d, %v, want %d", row.name, target, got, err, row.want)
			}
		}
	}
	sh(ctx, t, n.RS2, "ip link set tunl0 down")
	r, mtu := remote(t, n.Director, lab.RS2Addr, labWeb)
	if got, err := r.LargestPacket(ctx, mtu-20); err == nil {
		t.Errorf("the tunnel is down: got %d", got)
	}
}

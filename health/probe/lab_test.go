//go:build lab

package probe_test

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rsagent/agent"
	"rsagent/agent/lab"
	"rsagent/agent/linux"
	"rsagent/health/probe"
)

var (
	labVIP      = netip.MustParseAddr(lab.VIP)
	labDirector = netip.MustParseAddr(lab.DirectorAddr)
	labWeb      = probe.Target{VIP: labVIP, Port: 80}
	labEcho     = probe.Target{VIP: labVIP}
)

// newNetwork returns the classic network with rs1 in service by hand.
func newNetwork(t *testing.T) (context.Context, *lab.Network) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	if out, err := exec.Command("modprobe", "tun").CombinedOutput(); err != nil {
		t.Fatalf("modprobe tun: %v %s", err, out)
	}
	n, err := lab.New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := n.ServeByHand(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx, n
}

// round probes on the host with a prober that lives for one round.
func round(ctx context.Context, t *testing.T, h *lab.Host, job probe.Job) []probe.Result {
	t.Helper()
	var results []probe.Result
	err := h.Do(func() error {
		k, err := linux.New()
		if err != nil {
			return err
		}
		defer k.Close()
		p := prober(k, job)
		results = p.Round(ctx, job)
		return p.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func prober(k *linux.Host, job probe.Job) *probe.Prober {
	var want agent.Desired
	for _, target := range job.Targets {
		want.VIPs = append(want.VIPs, target.VIP)
	}
	want = want.Normal()
	return &probe.Prober{
		Open: func(avoid []netip.Addr) (probe.Endpoint, error) {
			d, err := linux.OpenProbeDevice(avoid...)
			if err != nil {
				return probe.Endpoint{}, err
			}
			return probe.Endpoint{Device: d, Name: d.Name(), Client: d.Client(), Stranger: d.Stranger()}, nil
		},
		Look: func(ctx context.Context) (agent.Observed, error) { return k.Observe(ctx, want) },
	}
}

func show(results []probe.Result) string {
	var b strings.Builder
	for _, r := range results {
		_ = probe.Render(&b, r)
		if r.Way == nil {
			fmt.Fprintf(&b, "  %s\n", r.Why)
		}
	}
	return b.String()
}

func sh(ctx context.Context, t *testing.T, h *lab.Host, script string) {
	t.Helper()
	if _, err := h.Run(ctx, "sh", "-ec", script); err != nil {
		t.Fatal(err)
	}
}

// eth0 returns how many packets the host has sent over its NIC, ARP included.
func eth0(ctx context.Context, t *testing.T, h *lab.Host) string {
	t.Helper()
	out, err := h.Run(ctx, "cat", "/sys/class/net/eth0/statistics/tx_packets")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type breakage struct {
	name, do, undo string
	target         probe.Target
	outcome        probe.Outcome
	cause          probe.Cause
	evidence       string // in the failed hop
}

var breakages = []breakage{
	{"healthy", "", "", labWeb, probe.Pass, "", ""},
	{"healthy, echo", "", "", labEcho, probe.Pass, "", ""},
	{"tunnel down", "ip link set tunl0 down", "ip link set tunl0 up; ip addr replace 172.25.84.100/32 dev tunl0", labWeb, probe.Fail, probe.TunnelDown, "port unreachable"},
	{"VIP deleted", "ip addr del 172.25.84.100/32 dev tunl0", "ip addr add 172.25.84.100/32 dev tunl0", labWeb, probe.Fail, probe.VIPMissing, "IpInAddrErrors +3"},
	{"VIP deleted, forwarding", "sysctl -qw net.ipv4.ip_forward=1; ip addr del 172.25.84.100/32 dev tunl0", "sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.arp_ignore=1; ip addr add 172.25.84.100/32 dev tunl0", labWeb, probe.Fail, probe.Forwarded, "time exceeded"},
	{"rp_filter of all", "sysctl -qw net.ipv4.conf.all.rp_filter=1", "sysctl -qw net.ipv4.conf.all.rp_filter=0", labWeb, probe.Fail, probe.RPFilter, "net.ipv4.conf.all.rp_filter, TcpExtIPReversePathFilter +3"},
	{"rp_filter of the tunnel", "sysctl -qw net.ipv4.conf.tunl0.rp_filter=1", "sysctl -qw net.ipv4.conf.tunl0.rp_filter=0", labWeb, probe.Fail, probe.RPFilter, "net.ipv4.conf.tunl0.rp_filter, TcpExtIPReversePathFilter +3"},
	{"rp_filter, echo", "sysctl -qw net.ipv4.conf.tunl0.rp_filter=1", "sysctl -qw net.ipv4.conf.tunl0.rp_filter=0", labEcho, probe.Fail, probe.RPFilter, "tunl0"},
	{"rp_filter loose", "sysctl -qw net.ipv4.conf.all.rp_filter=2; ip route add default via 172.25.84.84", "sysctl -qw net.ipv4.conf.all.rp_filter=0; ip route del default", labWeb, probe.Pass, "", ""},
	{"rp_filter loose, VIP on lo", "sysctl -qw net.ipv4.conf.tunl0.rp_filter=2; ip addr del 172.25.84.100/32 dev tunl0; ip addr add 172.25.84.100/32 dev lo", "sysctl -qw net.ipv4.conf.tunl0.rp_filter=0; ip addr del 172.25.84.100/32 dev lo; ip addr add 172.25.84.100/32 dev tunl0", labWeb, probe.Fail, probe.RPFilter, "without an address"},
	{"shadow", "ip link add sh0 type ipip local 172.25.84.2 remote 172.25.84.4; sysctl -qw net.ipv4.conf.sh0.rp_filter=1; ip link set sh0 up", "ip link del sh0", labWeb, probe.Fail, probe.Shadow, "rx/sh0 +3"},
	{"shadow of any", "ip link add sh0 type ipip local 172.25.84.2; sysctl -qw net.ipv4.conf.sh0.rp_filter=1; ip link set sh0 up", "ip link del sh0", labWeb, probe.Fail, probe.Shadow, "rx/sh0 +3"},
	{"nft drops protocol 4", "nft add table ip x; nft 'add chain ip x in { type filter hook input priority 0; }'; nft add rule ip x in ip protocol 4 drop", "nft delete table ip x", labWeb, probe.Fail, probe.Firewall, "disappears before"},
	{"nft drops protocol 4, echo", "nft add table ip x; nft 'add chain ip x in { type filter hook prerouting priority -300; }'; nft add rule ip x in ip protocol 4 drop", "nft delete table ip x", labEcho, probe.Fail, probe.Firewall, "disappears before"},
	{"nft drops the director alone", "nft add table ip x; nft 'add chain ip x in { type filter hook input priority 0; }'; nft add rule ip x in ip protocol 4 ip saddr 172.25.84.4 drop", "nft delete table ip x", labWeb, probe.Fail, probe.Firewall, "what this director sends"},
	{"nft lets only the director in", "nft add table ip x; nft 'add chain ip x in { type filter hook input priority 0; }'; nft add rule ip x in ip protocol 4 ip saddr != 172.25.84.4 drop", "nft delete table ip x", labWeb, probe.Pass, "", ""},
	{"iptables drops protocol 4", "iptables -A INPUT -p 4 -j DROP", "iptables -D INPUT -p 4 -j DROP", labWeb, probe.Fail, probe.Firewall, "disappears before"},
	{"iptables drops the port", "iptables -A INPUT -p tcp --dport 80 -j DROP", "iptables -D INPUT -p tcp --dport 80 -j DROP", labWeb, probe.Fail, probe.Firewall, "came out of tunl0"},
	{"iptables rejects the port", "iptables -A INPUT -p tcp --dport 80 -j REJECT", "iptables -D INPUT -p tcp --dport 80 -j REJECT", labWeb, probe.Fail, probe.Firewall, "port unreachable"},
	{"iptables drops echo", "iptables -A INPUT -p icmp --icmp-type 8 -j DROP", "iptables -D INPUT -p icmp --icmp-type 8 -j DROP", labEcho, probe.CouldNotTell, "", ""},
	{"echo ignored", "sysctl -qw net.ipv4.icmp_echo_ignore_all=1", "sysctl -qw net.ipv4.icmp_echo_ignore_all=0", labEcho, probe.CouldNotTell, "", ""},
	{"routing takes the VIP's answers elsewhere", "ip route add default via 172.25.84.84 table 77; ip rule add from 172.25.84.100 lookup 77", "ip rule del from 172.25.84.100 lookup 77; ip route flush table 77", labWeb, probe.Pass, "", ""},
	{"nothing listens", "", "", probe.Target{VIP: labVIP, Port: 81}, probe.Refused, probe.NothingListening, "RST"},
}

// Each breakage alone is named, with and without a known director, and nothing leaves over the NIC.
func TestProbeNamesTheCause(t *testing.T) {
	ctx, n := newNetwork(t)
	if err := n.RS1.Serve("rs1"); err != nil {
		t.Fatal(err)
	}
	sh(ctx, t, n.RS1, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1") // router solicitations would be counted
	for _, b := range breakages {
		for _, directors := range [][]netip.Addr{{labDirector}, nil} {
			if directors == nil && (strings.Contains(b.name, "director") || b.name == "shadow") {
				continue
			}
			t.Run(fmt.Sprintf("%s %v", b.name, directors), func(t *testing.T) {
				if b.do != "" {
					sh(ctx, t, n.RS1, b.do)
					defer sh(ctx, t, n.RS1, b.undo)
				}
				before := eth0(ctx, t, n.RS1)
				start := time.Now()
				results := round(ctx, t, n.RS1, probe.Job{Targets: []probe.Target{b.target}, Directors: directors})
				took := time.Since(start)
				if after := eth0(ctx, t, n.RS1); after != before {
					t.Errorf("eth0 sent packets: %s before, %s after", strings.TrimSpace(before), strings.TrimSpace(after))
				}
				t.Logf("%v\n%s", took.Round(time.Millisecond), show(results))
				check(t, b, results[0])
			})
		}
	}
}

func check(t *testing.T, want breakage, got probe.Result) {
	t.Helper()
	if got.Outcome != want.outcome || got.Cause != want.cause {
		t.Errorf("got %s %q, want %s %q", got.Outcome, got.Cause, want.outcome, want.cause)
	}
	if !strings.Contains(got.Why, want.evidence) && !(want.evidence == "port unreachable" && strings.Contains(got.Why, "down")) {
		t.Errorf("got %q, want %q in it", got.Why, want.evidence)
	}
}

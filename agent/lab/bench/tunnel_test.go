//go:build bench

package bench

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"rsagent/agent/lab"
)

const (
	tunnelRounds = 4
	tunnelLength = 2 * time.Second
)

// A path is from the client over the director and through the tunnel to one real server.
type path struct {
	host *lab.Host
	vip  netip.Addr
}

// traffic is what came through: requests a second of the two-byte file, bytes a second of the large one.
type traffic struct{ requests, bytes []float64 }

// tunnelRows send requests by turns to two real servers alike, one with the agent running and one made by hand. At
// half-time they change roles, so that what else is different between the two hosts cancels out.
func tunnelRows(ctx context.Context, n *lab.Network) (Section, error) {
	var s Section
	paths := []path{{n.RS1, netip.MustParseAddr("172.25.84.100")}, {n.RS2, netip.MustParseAddr("172.25.84.101")}}
	for _, p := range paths {
		if err := p.byHand(ctx, n.Director); err != nil {
			return s, err
		}
	}
	var ours, theirs traffic
	for i := range paths {
		if err := half(ctx, n, paths[i], paths[1-i], &ours, &theirs); err != nil {
			return s, err
		}
	}
	const reference = "the path by hand, no agent"
	s.Rows = []Row{
		{What: "requests through the tunnel, agent running", Unit: PerSecond, Ours: MedianOf("", ours.requests), Reference: MedianOf(reference, theirs.requests), Goal: RatioAtLeast(0.99)},
		{What: "bytes through the tunnel, agent running", Unit: BytesPerSecond, Ours: MedianOf("", ours.bytes), Reference: MedianOf(reference, theirs.bytes), Goal: RatioAtLeast(0.99)},
	}
	s.Note = "`wrk -t1` on the client for two seconds each, IPVS on the director, nginx behind the VIP of each real server: a file of two bytes for 50 connections, and one of a mebibyte for 8. At half-time the hosts change roles."
	return s, nil
}

// byHand makes the whole path as an administrator would.
func (p path) byHand(ctx context.Context, director *lab.Host) error {
	vip, service := p.vip.String(), p.vip.String()+":"+nginxPort
	for _, step := range []struct {
		host    *lab.Host
		command string
	}{
		{director, "ip addr add " + vip + "/32 dev eth0"},
		{director, "ipvsadm -A -t " + service + " -s rr"},
		{director, "ipvsadm -a -t " + service + " -r " + p.host.Addr.String() + " -i"},
		{p.host, "modprobe ipip"},
		{p.host, "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2"},
		{p.host, "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.tunl0.rp_filter=0"},
		{p.host, "ip link set dev tunl0 up"},
		{p.host, "ip addr add " + vip + "/32 dev tunl0"},
	} {
		words := strings.Fields(step.command)
		if _, err := step.host.Run(ctx, words[0], words[1:]...); err != nil {
			return err
		}
	}
	return runNginx(ctx, p.host)
}

// half measures with the agent on one host and none on the other.
func half(ctx context.Context, n *lab.Network, with, without path, ours, theirs *traffic) error {
	a, err := runAgent(ctx, with.host, configOf([]netip.Addr{with.vip}))
	if err != nil {
		return err
	}
	turns := []struct {
		traffic *traffic
		path    path
	}{{ours, with}, {theirs, without}}
	for range tunnelRounds {
		for _, t := range turns {
			if err := t.traffic.measure(ctx, n.Client, t.path); err != nil {
				return err
			}
		}
		slices.Reverse(turns) // so that nobody always comes after the other
	}
	return a.end()
}

func (t *traffic) measure(ctx context.Context, client *lab.Host, p path) error {
	url := "http://" + p.vip.String() + ":" + nginxPort
	small, err := load(ctx, client, 50, url+"/ok", tunnelLength)
	if err != nil {
		return err
	}
	big, err := load(ctx, client, 8, url+"/big", tunnelLength)
	if err == nil && small.Refused+big.Refused > 0 {
		err = fmt.Errorf("%s: %d answers are not 200", url, small.Refused+big.Refused)
	}
	t.requests, t.bytes = append(t.requests, small.PerSecond), append(t.bytes, big.PerSecond*bigFile)
	return err
}

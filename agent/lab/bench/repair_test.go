//go:build bench

package bench

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"

	"rsagent/agent/lab"
)

// The repairs are done in lives of the agent, each with a fresh state, so that tampering with the same thing again
// and again does not look like a fight, which is answered with patience on purpose.
const (
	lives       = 6
	vipsPerLife = 8
	rpPerLife   = 8
	pace        = 100 * time.Millisecond
)

type repairs struct {
	agentVIP, agentAll, agentTunnel, agentARP []time.Duration
	bareVIP, bareAll, bareTunnel              []time.Duration
	keepalived                                []time.Duration
}

func repairRows(ctx context.Context, n *lab.Network) (Section, error) {
	var s Section
	if _, err := n.RS1.Run(ctx, "modprobe", "ipip"); err != nil {
		return s, err
	}
	k, err := runKeepalived(ctx, n.Director, vips(1), 51)
	if err != nil {
		return s, err
	}
	director, err := observe(n.Director)
	if err != nil {
		return s, err
	}
	defer director.close()
	var r repairs
	for life := range lives {
		if err := r.life(ctx, n, life); err != nil {
			return s, err
		}
		took, err := director.deleteVIP(vips(1)[0], k.index)
		if err != nil {
			return s, err
		}
		r.keepalived = append(r.keepalived, took)
	}
	return r.section(), nil
}

// life starts both, and has them repair by turns.
func (r *repairs) life(ctx context.Context, n *lab.Network, life int) error {
	list := vips(16)
	a, err := runAgent(ctx, n.RS1, configOf(list))
	if err != nil {
		return err
	}
	defer a.end()
	ours, err := observe(n.RS1)
	if err != nil {
		return err
	}
	defer ours.close()
	theirs, err := observe(n.RS2)
	if err != nil {
		return err
	}
	defer theirs.close()
	bare, err := runBareLoop(ctx, n.RS2, list[0], theirs.index, []string{"all", tunnel}[life%2])
	if err != nil {
		return err
	}
	defer bare.Stop()
	if _, err := resting(a.pid); err != nil {
		return err
	}
	return r.turns(ours, theirs, list, life%2 == 0)
}

func (r *repairs) turns(ours, theirs *observer, list []netip.Addr, all bool) error {
	turn := func(samples *[]time.Duration, f func() (time.Duration, error)) error {
		time.Sleep(pace)
		took, err := f()
		*samples = append(*samples, took)
		return err
	}
	for i := range vipsPerLife {
		if err := turn(&r.agentVIP, func() (time.Duration, error) { return ours.deleteVIP(list[i], ours.index) }); err != nil {
			return err
		}
		if err := turn(&r.bareVIP, func() (time.Duration, error) { return theirs.deleteVIP(list[0], theirs.index) }); err != nil {
			return err
		}
	}
	device, agent, bare := tunnel, &r.agentTunnel, &r.bareTunnel
	if all {
		device, agent, bare = "all", &r.agentAll, &r.bareAll
	}
	for range rpPerLife {
		if err := turn(agent, func() (time.Duration, error) { return ours.filter(device) }); err != nil {
			return err
		}
		if err := turn(bare, func() (time.Duration, error) { return theirs.filter(device) }); err != nil {
			return err
		}
	}
	for _, key := range []string{"arp_ignore", "arp_announce"} {
		if err := turn(&r.agentARP, func() (time.Duration, error) { return ours.poll("all", key, "0") }); err != nil {
			return err
		}
	}
	return nil
}

func (r *repairs) section() Section {
	const loop = "bare netlink loop"
	ours := Median("", r.agentVIP)
	return Section{
		Rows: []Row{
			{What: "deleted VIP back, p50", Ours: ours, Reference: Median(loop, r.bareVIP), Goal: RatioAtMost(2)},
			{What: "all.rp_filter right again, p50", Ours: Median("", r.agentAll), Reference: Median(loop, r.bareAll), Goal: RatioAtMost(2)},
			{What: "tunl0.rp_filter right again, p50", Ours: Median("", r.agentTunnel), Reference: Median(loop, r.bareTunnel), Goal: RatioAtMost(2)},
			{What: "deleted VIP back, p50", Ours: ours, Reference: Median("keepalived, its own", r.keepalived), Goal: RatioAtMost(0.05)},
			{What: "all.arp_ignore, arp_announce right again, p50", Ours: Median("", r.agentARP), Reference: Median(loop+", all.rp_filter", r.bareAll), Goal: AtMost(0.020)},
		},
		Note: "From before the system call that tampers until the observer, on a netlink socket of its own (for arp_* a tight loop that reads the file), sees it right again; 16 VIPs.",
	}
}

// runBareLoop starts the reference program and waits until it listens.
func runBareLoop(ctx context.Context, h *lab.Host, vip netip.Addr, index int, device string) (*lab.Daemon, error) {
	if _, err := h.Run(ctx, "ip", "link", "set", "dev", tunnel, "up"); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	d, err := h.Start(h.Command(ctx, self, "bareloop", vip.String(), fmt.Sprint(index), tunnel+":rs", device))
	if err != nil {
		return nil, err
	}
	return d, eventually("the bare loop listens", func() bool { return d.Output() == "ready\n" })
}

// eventually waits for something to come up. That is not measured, so it may take long.
func eventually(what string, condition func() bool) error {
	const limit = time.Minute
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v: %s", limit, what)
		}
	}
	return nil
}

// parseIndex reads the number at the start of a line of ip -o.
func parseIndex(line string) (int, error) {
	var index int
	_, err := fmt.Sscanf(line, "%d:", &index)
	return index, err
}

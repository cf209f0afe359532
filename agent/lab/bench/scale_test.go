//go:build bench

package bench

import (
	"context"
	"time"

	"rsagent/agent/lab"
)

const eventsPerSize = 6

// scaleRows delete one of 16 VIPs and one of 10,000 by turns. The interval and the probe are out of the way, so that
// what the daemon uses of a processor is the event's.
func scaleRows(ctx context.Context, n *lab.Network) (Section, error) {
	var s Section
	if _, err := n.RS1.Run(ctx, "modprobe", "ipip"); err != nil {
		return s, err
	}
	few, err := newTarget(ctx, n.RS1, 16)
	if err != nil {
		return s, err
	}
	many, err := newTarget(ctx, n.RS2, 10000)
	if err != nil {
		return s, err
	}
	for i := range eventsPerSize {
		for _, t := range []*target{few, many} {
			if err := t.event(i); err != nil {
				return s, err
			}
		}
	}
	s.Rows = []Row{
		{What: "deleted VIP back, 1 of 10,000, p50", Ours: Median("", many.took), Reference: Median("1 of 16", few.took), Goal: RatioAtMost(2)},
		{What: "processor time of that, p50", Ours: Median("", many.used), Reference: Median("1 of 16", few.used), Goal: RatioAtMost(2)},
	}
	s.Note = "One VIP is deleted and comes back, `interval: 1h`, no probe. Processor time is the daemon's until it rests again, without what resting takes. " +
		"The kernel's own walk over its list of addresses is in the time to repair."
	return s, nil
}

type target struct {
	agent      *agentProcess
	observer   *observer
	size       int
	took, used []time.Duration
}

func newTarget(ctx context.Context, h *lab.Host, size int) (*target, error) {
	a, err := runAgent(ctx, h, configOf(vips(size), "interval: 1h", "probe: {interval: 0}"))
	if err != nil {
		return nil, err
	}
	o, err := observe(h)
	return &target{agent: a, observer: o, size: size}, err
}

// event deletes one VIP, another each time, from all over the list.
func (t *target) event(i int) error {
	before, err := resting(t.agent.pid)
	if err != nil {
		return err
	}
	vip := vips(t.size)[i*t.size/eventsPerSize]
	took, err := t.observer.deleteVIP(vip, t.observer.index)
	if err != nil {
		return err
	}
	after, err := resting(t.agent.pid)
	if err != nil {
		return err
	}
	t.took, t.used = append(t.took, took), append(t.used, after.since(before))
	return nil
}

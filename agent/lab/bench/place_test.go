//go:build bench

package bench

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/agent/lab"
	"rsagent/agent/linux"
)

// placeRows bring VIPs into service on a tunnel that is down, as it is on a host that has just come up: by a whole pass
// of ours, which also looks, sets what has to be set, and verifies; and by one `ip -batch` of the classic recipe,
// device up and then the addresses. They take turns in the same namespace.
func placeRows(ctx context.Context, n *lab.Network) (Section, error) {
	s := Section{Note: "On a tunnel that is down and bare. Ours is one pass of a running agent: look, settings, device, addresses, verification; the reference is the start and the run of one `ip -batch`, device and addresses alone."}
	if _, err := n.RS1.Run(ctx, "modprobe", "ipip"); err != nil {
		return s, err
	}
	for _, size := range []struct {
		name    string
		n, runs int
		goal    float64
	}{{"1 VIP", 1, 15, 1}, {"1,000 VIPs", 1000, 4, 1}, {"10,000 VIPs", 10000, 2, 0.8}} {
		var ours, theirs []time.Duration
		err := n.RS1.Do(func() (err error) {
			ours, theirs, err = placeByTurns(ctx, size.n, size.runs)
			return err
		})
		if err != nil {
			return s, err
		}
		s.Rows = append(s.Rows, Row{What: size.name + " into place", Ours: Median("", ours), Reference: Median("ip -batch", theirs), Goal: RatioAtMost(size.goal)})
	}
	return s, nil
}

func placeByTurns(ctx context.Context, size, runs int) (ours, theirs []time.Duration, err error) {
	k, err := linux.New()
	if err != nil {
		return nil, nil, err
	}
	defer k.Close()
	want := agent.Desired{VIPs: vips(size)}.Normal()
	for range runs {
		took, err := place(ctx, k, want)
		if err != nil {
			return nil, nil, err
		}
		ours = append(ours, took)
		if took, err = batch(size); err != nil {
			return nil, nil, err
		}
		theirs = append(theirs, took)
	}
	return ours, theirs, bare()
}

func place(ctx context.Context, k agent.Kernel, want agent.Desired) (time.Duration, error) {
	if err := bare(); err != nil {
		return 0, err
	}
	start := time.Now()
	r, err := agent.Pass(ctx, k, &agenttest.MemStore{}, want)
	took := time.Since(start)
	if err == nil && r.State() > agent.Warning {
		err = fmt.Errorf("after a pass: %v", agent.NotOK(r.After))
	}
	return took, err
}

// batch is the classic recipe, from a bare tunnel, in the calling thread's namespace.
func batch(size int) (time.Duration, error) {
	if err := bare(); err != nil {
		return 0, err
	}
	var lines strings.Builder
	lines.WriteString("link set dev tunl0 up\n")
	for _, vip := range vips(size) {
		fmt.Fprintf(&lines, "addr add %s/32 dev tunl0 label tunl0:rs\n", vip)
	}
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(lines.String())
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("ip -batch: %w: %s", err, out)
	}
	return time.Since(start), nil
}

// bare takes everything off the tunnel of the calling thread's namespace.
func bare() error {
	for _, args := range [][]string{{"addr", "flush", "dev", tunnel}, {"link", "set", tunnel, "down"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

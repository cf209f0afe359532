//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"rsagent/agent/lab"
)

const (
	starts = 10
	checks = 5
)

// startRows start the daemon on a bare tunnel, and beside it what a shell would have started.
func startRows(ctx context.Context, n *lab.Network) (Section, error) {
	var s Section
	if _, err := n.RS1.Run(ctx, "modprobe", "ipip"); err != nil {
		return s, err
	}
	var ours, theirs, bareStart []time.Duration
	for range starts {
		if err := n.RS1.Do(bare); err != nil {
			return s, err
		}
		a, err := runAgent(ctx, n.RS1, configOf(vips(16)))
		if err != nil {
			return s, err
		}
		ours = append(ours, a.took)
		if err := a.end(); err != nil {
			return s, err
		}
		err = n.RS1.Do(func() error {
			took, err := batch(16)
			theirs = append(theirs, took)
			return err
		})
		if err != nil {
			return s, err
		}
		took, err := timed(n.RS1, *rsagent, "version")
		if err != nil {
			return s, err
		}
		bareStart = append(bareStart, took)
	}
	const what = "start to first verified pass, 16 VIPs"
	s.Rows = []Row{
		{What: what, Ours: Median("", ours), Reference: Median("ip -batch, from its start to its end", theirs), Goal: AtMost(0.150)},
		{What: what, Ours: Median("", ours), Reference: Median("rsagent version", bareStart)},
	}
	s.Note = "From exec to READY=1 at the notify socket, on a tunnel that is down and bare. `rsagent version` is what the start of such a program takes when it does nothing."
	return s, nil
}

// checkRows look at 10,000 VIPs that are in order.
func checkRows(ctx context.Context, n *lab.Network) (Section, error) {
	var s Section
	if _, err := n.RS1.Run(ctx, "modprobe", "ipip"); err != nil {
		return s, err
	}
	dir, err := os.MkdirTemp("", "check")
	if err != nil {
		return s, err
	}
	config, state := filepath.Join(dir, "rsagent.yaml"), filepath.Join(dir, "state")
	if err := os.WriteFile(config, []byte(configOf(vips(10000))), 0o644); err != nil {
		return s, err
	}
	if _, err := timed(n.RS1, *rsagent, "apply", "--config", config, "--state-dir", state); err != nil {
		return s, err
	}
	var ours, theirs []time.Duration
	for range checks {
		took, err := timed(n.RS1, *rsagent, "check", "--config", config, "--state-dir", state)
		if err != nil {
			return s, err
		}
		ours = append(ours, took)
		if took, err = timed(n.RS1, "ip", "-o", "addr", "show"); err != nil {
			return s, err
		}
		theirs = append(theirs, took)
	}
	s.Rows = []Row{{What: "rsagent check, 10,000 VIPs", Ours: Median("", ours), Reference: Median("ip -o addr show", theirs), Goal: AtMost(0.200)}}
	s.Note = "From start to end, all VIPs in place. check parses the config, reads the kernel and compares; `ip` reads and prints the addresses."
	return s, nil
}

// timed runs a command in a host's namespace, from its start to its end. To exit with 1, a warning, is well.
func timed(h *lab.Host, name string, args ...string) (took time.Duration, err error) {
	err = h.Do(func() error {
		start := time.Now()
		out, err := exec.Command(name, args...).CombinedOutput()
		took = time.Since(start)
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 1 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s %v: %w: %.1000s", name, args, err, out)
		}
		return nil
	})
	return took, err
}

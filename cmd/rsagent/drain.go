package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"rsagent/agent/linux"
	"rsagent/health"
)

func (a *app) drainCommand() *cobra.Command {
	var limit, wait time.Duration
	var reason string
	c := &cobra.Command{
		Use:   "drain",
		Short: "Take this real server out of service, and leave its connections alone",
		Long: `Make readiness fail, so that directors send nothing new. VIPs and tunnel stay
up, and established connections finish. It is a file in the state directory, so
it works without the daemon and survives restarts and reboots.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !c.Flags().Changed("wait") {
				return a.drain(c, limit, reason)
			}
			// Before the drain: a command that is refused must not have half done what it says.
			vips, err := a.waitFor(c, wait)
			if err != nil {
				return err
			}
			if err := a.drain(c, limit, reason); err != nil {
				return err
			}
			return a.waitDrained(c, vips, wait)
		},
	}
	f := c.Flags()
	f.DurationVar(&limit, "for", 0, "end by itself after this `TIME`, such as 15m (default: until undrain)")
	f.StringVar(&reason, "reason", "", "why, for those who wonder: one line of `TEXT`")
	f.DurationVar(&wait, "wait", 0, "return when no connection to a VIP is left, or after this `TIME` with exit code 1")
	return c
}

func (a *app) drain(c *cobra.Command, limit time.Duration, reason string) error {
	now := time.Now()
	d, err := health.NewDrain(now, reason)
	if err != nil {
		return fmt.Errorf("--reason: %w", err)
	}
	if c.Flags().Changed("for") {
		if d, err = d.For(now, limit); err != nil {
			return fmt.Errorf("--for: %w", err)
		}
	}
	if err := health.WriteDrain(a.stateDir, d); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s  %s\n", node(), health.ReadDrain(a.stateDir, now).Sentence())
	return err
}

func (a *app) undrainCommand() *cobra.Command {
	return &cobra.Command{
		Use: "undrain", Short: "End a drain", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			was := health.ReadDrain(a.stateDir, time.Now())
			if err := health.ClearDrain(a.stateDir); err != nil {
				return err
			}
			text := "was not draining"
			if was.Draining {
				text = "no longer draining"
			}
			_, err := fmt.Fprintf(a.stdout, "%s  %s\n", node(), text)
			return err
		},
	}
}

// waitFor returns the VIPs to whose connections --wait refers.
func (a *app) waitFor(c *cobra.Command, limit time.Duration) ([]netip.Addr, error) {
	if limit <= 0 {
		return nil, fmt.Errorf("--wait: %s: want a time above 0, such as 60s", limit)
	}
	cfg, err := a.load(c)
	return cfg.Desired.VIPs, err
}

// waitDrained returns when no established connection to a VIP is left.
func (a *app) waitDrained(c *cobra.Command, vips []netip.Addr, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(c.Context(), limit)
	defer cancel()
	left, err := a.countDown(ctx, vips)
	if err != nil {
		return err
	}
	if left > 0 {
		a.exit = exitWarning
		_, err = fmt.Fprintf(a.stdout, "%s  %s left after %s\n", node(), plural(left, "connection"), limit)
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s  no connections left\n", node())
	return err
}

// countDown looks until there are none or ctx ends, and returns how many are
// left. On a terminal it shows how many there are.
func (a *app) countDown(ctx context.Context, vips []netip.Addr) (int, error) {
	terminal := newText(a.stderr).width > 0
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		left, err := linux.Established(vips)
		if err != nil || left == 0 || ctx.Err() != nil {
			return left, err
		}
		if terminal {
			fmt.Fprintf(a.stderr, "\r\x1b[K%s to wait for", plural(left, "connection"))
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		if terminal {
			fmt.Fprint(a.stderr, "\r\x1b[K")
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rsagent/agent"
	"rsagent/agent/config"
	"rsagent/agent/linux"
)

// udevWait is how long apply waits for udev's replay of sysctl.d onto a new
// device. It takes a few tens of milliseconds where it happens at all.
const udevWait = 3 * time.Second

func (a *app) applyCommand() *cobra.Command {
	var dryRun bool
	c := &cobra.Command{
		Use:   "apply",
		Short: "Bring this real server into service, once",
		Long: `Make one pass: look, compare, carry out what is missing in the safe order, and
look again. It may be repeated and interrupted at any time. What it finds before
its first change is recorded in the state directory, for rsagent teardown.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if dryRun {
				return a.dryRun(c)
			}
			return a.apply(c)
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "print the commands, change nothing")
	return c
}

// dryRun prints the plan as a script.
func (a *app) dryRun(c *cobra.Command) error {
	report, cfg, err := a.look(c)
	if err != nil {
		return err
	}
	a.exit = exitCode(report.State())
	return a.printPlan(report, cfg)
}

func (a *app) printPlan(report agent.Report, cfg config.Config) error {
	t := newText(a.stdout)
	plan, left := report.Plan, report.Would
	if cfg.Desired.ObserveOnly {
		plan, left = left, nil
	}
	switch n := len(plan); {
	case n > 0:
		t.printf("# %s: %s, in this order\n%s", node(), plural(n, "command"), agent.Script(agent.Actions(plan)))
	case len(left) > 0:
	case report.State() == agent.OK:
		t.printf("# %s: in order, nothing to do\n", node())
	default:
		t.printf("# %s: nothing that rsagent could do; see rsagent check\n", node())
	}
	if cfg.Desired.ObserveOnly {
		t.printf("# mode is observe: rsagent changes nothing\n")
	}
	if len(left) > 0 {
		t.printf("# %s: %s that policy leaves to you, or that would be unsafe without\n", node(), plural(len(left), "command"))
		for line := range strings.Lines(agent.Script(agent.Actions(left))) {
			t.printf("# %s", line)
		}
	}
	return t.flush()
}

func (a *app) apply(c *cobra.Command) error {
	cfg, err := a.load(c)
	if err != nil {
		return err
	}
	if cfg.Desired.ObserveOnly {
		return a.dryRun(c)
	}
	if err := privileged("apply"); err != nil {
		return err
	}
	k, err := linux.New(linux.Settle(udevWait))
	if err != nil {
		return err
	}
	defer k.Close()
	store := a.store(true)
	if _, got := agent.Look(c.Context(), k, store, cfg.Desired); conflict(cfg.Desired, got) != nil {
		return conflict(cfg.Desired, got)
	}
	release, err := a.lock("apply")
	if err != nil {
		return err
	}
	defer release()
	report, err := agent.Pass(c.Context(), k, store, cfg.Desired)
	if err != nil {
		if len(report.Done) > 0 {
			err = errors.Join(a.printApplied(report, cfg), err)
		}
		return err
	}
	a.exit = exitCode(report.State())
	if err := a.printApplied(report, cfg); err != nil {
		return err
	}
	if c.Context().Err() != nil && !report.Converged() {
		return hinted(errors.New("interrupted"), "what was done is safe; repeat rsagent apply to go on")
	}
	return nil
}

func (a *app) printApplied(report agent.Report, cfg config.Config) error {
	t := newText(a.stdout)
	t.header(report, cfg)
	if len(report.Done) == 0 {
		t.printf("\n  nothing to do\n")
	} else {
		t.printf("\n")
		t.steps(report.Done)
	}
	t.explain(report.After)
	t.left(report, cfg.Desired)
	if err := t.flush(); err != nil {
		return err
	}
	for _, s := range report.Failed() {
		if !errors.Is(s.Err, context.Canceled) && !errors.Is(s.Err, agent.ErrWithheld) {
			a.complain(fmt.Errorf("%s: %s", s.Action, reason(s)))
		}
	}
	return nil
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/agent/linux"
)

func (a *app) teardownCommand() *cobra.Command {
	var dryRun, yes bool
	c := &cobra.Command{
		Use:   "teardown",
		Short: "Remove the VIPs and restore what was found before",
		Long: `Take this real server out of service, in the safe order: the addresses of
rsagent are removed first, then each setting gets the value it had before the
first change, and last the tunnel goes down and the module out, if they were so
before and nothing else needs them. It needs no config. It may be repeated and
interrupted at any time. On a terminal it shows the commands and asks; elsewhere
it goes ahead. It is refused while the daemon is running.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if dryRun {
				return a.teardownPlan(c)
			}
			return a.teardown(c, yes)
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "print the commands, change nothing")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask, on a terminal either")
	return c
}

// teardownPlan prints the plan as a script.
func (a *app) teardownPlan(c *cobra.Command) error {
	k, err := linux.New()
	if err != nil {
		return err
	}
	defer k.Close()
	base, err := a.store(false).Load()
	if err != nil { // it would be set aside
		a.complain(err)
		base = agent.Baseline{Lost: true}
	}
	got, err := k.Observe(c.Context(), agent.Desired{}.Normal())
	if err != nil {
		return err
	}
	return a.printTeardownPlan(agent.Teardown(base, base.Device, got, linux.Alone()))
}

func (a *app) printTeardownPlan(plan []agent.Action) error {
	t := newText(a.stdout)
	if len(plan) == 0 {
		t.printf("# %s: nothing to tear down\n", node())
	} else {
		t.printf("# %s: %s, in this order\n%s", node(), plural(len(plan), "command"), agent.Script(plan))
	}
	return t.flush()
}

func (a *app) teardown(c *cobra.Command, yes bool) error {
	if err := privileged("teardown"); err != nil {
		return err
	}
	release, err := a.lock("teardown")
	if err != nil {
		return err
	}
	defer release()
	k, err := linux.New()
	if err != nil {
		return err
	}
	defer k.Close()
	store, alone := a.store(true), linux.Alone()
	base, err := store.Load()
	if err != nil {
		return err
	}
	if !yes && terminal(os.Stdin) {
		if err := a.confirmTeardown(c.Context(), k, base, alone); err != nil {
			return err
		}
	}
	steps, got, err := agent.RunTeardown(c.Context(), k, base, alone)
	if err != nil {
		return err
	}
	if err := a.printTeardown(steps, base, got); err != nil {
		return err
	}
	if c.Context().Err() != nil {
		return hinted(errors.New("interrupted"), "what was done is safe; repeat rsagent teardown to go on")
	}
	if a.exit == exitOK {
		a.forget(store, base, agent.TornDown(base, got, alone))
	}
	return nil
}

// forget removes the record after a teardown, unless something is left that a
// further one could do.
func (a *app) forget(store linux.FileStore, base agent.Baseline, tornDown bool) {
	if base.Lost || !tornDown {
		a.exit = exitWarning
	}
	if !tornDown {
		return
	}
	if err := store.Remove(); err != nil {
		a.complain(err)
		a.exit = exitWarning
	}
}

// confirmTeardown shows the plan and returns an error unless it is agreed to.
// There is nothing to agree to if there is nothing to do.
func (a *app) confirmTeardown(ctx context.Context, k agent.Kernel, base agent.Baseline, alone bool) error {
	got, err := k.Observe(ctx, agent.Desired{}.Normal())
	if err != nil {
		return err
	}
	plan := agent.Teardown(base, base.Device, got, alone)
	if len(plan) == 0 {
		return nil
	}
	if err := a.printTeardownPlan(plan); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "Take %s out of service? [y/N] ", node())
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
	case said := <-answer:
		if said == "y" || said == "yes" {
			return nil
		}
	}
	return errors.New("not confirmed, nothing was changed")
}

// terminal reports whether a person may be at the other end.
func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

func (a *app) printTeardown(steps []agent.Step, base agent.Baseline, got agent.Observed) error {
	t := newText(a.stdout)
	if len(steps) == 0 {
		t.printf("%s  nothing to tear down\n", node())
	} else {
		t.printf("%s  out of service\n\n", node())
		t.steps(steps)
	}
	for _, sentence := range agent.Leftovers(base, got, len(steps) > 0) {
		t.printf("\n%s\n", t.wrap("  ", sentence))
	}
	if err := t.flush(); err != nil {
		return err
	}
	for _, s := range steps {
		if s.Err != nil {
			a.exit = exitCritical
			a.complain(fmt.Errorf("%s: %s", s.Action, reason(s)))
		}
	}
	return nil
}

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"rsagent/agent"
	"rsagent/agent/linux"
)

func (a *app) teardownCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "teardown",
		Short: "Take the VIPs away and restore what was found before",
		Long: `Undo what rsagent did, in the safe order: the addresses that carry its label go
first, then each setting gets the value it had before the first change, and last
the tunnel goes down and the module out, if they were so before and nobody else
needs them. It needs no config. It may be repeated and interrupted at any time.
Stop the daemon first, or it puts everything back.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.teardown(c) },
	}
}

func (a *app) teardown(c *cobra.Command) error {
	if err := privileged("teardown"); err != nil {
		return err
	}
	release, err := linux.Lock(a.stateDir)
	if errors.Is(err, linux.ErrLocked) {
		return hinted(fmt.Errorf("rsagent run is using %s (%w), and would put everything back", a.stateDir, err), "stop it first: systemctl stop rsagent")
	}
	if err != nil {
		return err
	}
	defer release()
	k, err := linux.New()
	if err != nil {
		return err
	}
	defer k.Close()
	store := a.store(true)
	letGo, err := store.Hold(c.Context())
	if err != nil {
		return err
	}
	defer letGo()
	base, err := store.Load()
	if err != nil {
		return err
	}
	alone := linux.Alone()
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
	if a.exit != exitOK {
		return nil
	}
	if !agent.TornDown(base, got, alone) {
		a.exit = exitWarning // the record is kept for the next time
		return nil
	}
	return store.Remove()
}

func (a *app) printTeardown(steps []agent.Step, base agent.Baseline, got agent.Observed) error {
	t := newText(a.stdout)
	if len(steps) == 0 {
		t.printf("%s  nothing to undo\n", node())
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

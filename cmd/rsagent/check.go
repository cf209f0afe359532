package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"rsagent/agent"
	"rsagent/agent/config"
	"rsagent/agent/linux"
)

func (a *app) checkCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "check",
		Short: "Look once, and say what is not as it should be",
		Long: `Look once and print every finding with what is wanted, what is there, why it
matters, and the command that would fix it. Nothing is changed, and no module
is loaded. It needs no privilege.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if output != "text" && output != "json" && output != "nagios" {
				return fmt.Errorf("--output %s: want text, json or nagios", output)
			}
			report, cfg, err := a.look(c)
			if err != nil {
				a.unknown(output, err)
				return err
			}
			a.exit = exitCode(report.State())
			return a.print(output, report, cfg)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "`FORMAT`: text, json or nagios")
	return c
}

func (a *app) look(c *cobra.Command) (agent.Report, config.Config, error) {
	cfg, err := a.load(c)
	if err != nil {
		return agent.Report{}, cfg, err
	}
	k, err := linux.New()
	if err != nil {
		return agent.Report{}, cfg, err
	}
	defer k.Close()
	if _, err := a.store(false).Load(); err != nil {
		// No reason not to look, but one to say so.
		a.complain(fmt.Errorf("which settings are ours cannot be told: %w", err))
	}
	report, got := agent.Look(c.Context(), k, a.store(false), cfg.Desired)
	return report, cfg, conflict(cfg.Desired, got)
}

func (a *app) print(output string, report agent.Report, cfg config.Config) error {
	switch output {
	case "json":
		return printJSON(a.stdout, report.Status(node(), cfg.Hash()))
	case "nagios":
		_, err := fmt.Fprint(a.stdout, nagios(report, cfg.Desired))
		return err
	}
	t := newText(a.stdout)
	t.table(report, cfg)
	t.explain(report.After)
	t.footer(report, cfg.Desired)
	return t.flush()
}

// unknown gives the machine-readable formats their answer when there is no
// report; the error itself goes to stderr as always.
func (a *app) unknown(output string, err error) {
	switch output {
	case "json":
		_ = printJSON(a.stdout, agent.Status{State: agent.Unknown, Node: node(), Findings: []agent.Finding{{
			Subject: agent.Subject{Kind: agent.KindConfig}, Severity: agent.Unknown, Want: "a config for this host", Got: "could not tell", Why: err.Error(),
		}}})
	case "nagios":
		fmt.Fprintf(a.stdout, "RSAGENT UNKNOWN - %s\n", firstLine(err.Error()))
	}
}

func printJSON(w interface{ Write([]byte) (int, error) }, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rsagent/agent/config"
)

func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "config", Short: "Check, show or explain the config",
		Args: noArgs, // so that a misspelt subcommand is an error
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		&cobra.Command{
			Use: "check", Short: "Say whether the config is right, and all that is wrong with it", Args: noArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				cfg, err := a.load(c)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(a.stdout, "%s: in order, %s, config %s\n", a.origin(), plural(len(cfg.Desired.VIPs), "VIP"), cfg.Hash())
				return err
			},
		},
		&cobra.Command{
			Use: "show", Short: "Print the effective config, defaults included", Args: noArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				cfg, err := a.load(c)
				if err != nil {
					return err
				}
				_, err = a.stdout.Write(cfg.YAML())
				return err
			},
		},
		&cobra.Command{
			Use: "example", Short: "Print the documented reference config", Args: noArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := a.stdout.Write(config.Example())
				return err
			},
		},
	)
	return c
}

func (a *app) origin() string {
	if len(a.vips) > 0 {
		return "--vip"
	}
	return a.configPath
}

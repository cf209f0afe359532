package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"rsagent/agent/lab"
)

func newDemoCommand() *cobra.Command {
	var kernel string
	cmd := &cobra.Command{
		Use:   "demo [--kernel VERSION]",
		Short: "Play the classic scene in a machine: two real servers, a director, a client",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rslab, err := self()
			if err != nil {
				return err
			}
			rsagent := filepath.Join(filepath.Dir(rslab), "rsagent")
			if _, err := os.Stat(rsagent); err != nil {
				return errors.New(rsagent + " is missing: make build")
			}
			if inLab() {
				return lab.Show{Rsagent: rsagent, Out: cmd.OutOrStdout()}.Play(cmd.Context())
			}
			start := time.Now()
			o := execOptions{machineOptions: machineOptions{kernel: kernel, accel: "tcg", timeout: 3 * time.Minute, memory: 2048}}
			if err := o.run(cmd, []string{rslab, "demo"}); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "\n   All of it on Debian's kernel %s in a machine of its own: %.0f s.\n", kernel, time.Since(start).Seconds())
			return err
		},
	}
	cmd.Flags().StringVar(&kernel, "kernel", defaultKernel, "Debian's kernel: 5.10, 6.1 or 6.12")
	return cmd
}

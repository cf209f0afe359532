package main

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"rsagent/agent/lab"
)

func newServeCommand() *cobra.Command {
	listen := ":80"
	cmd := &cobra.Command{
		Use:   "serve [--listen ADDRESS] NAME",
		Short: "Be a web server that answers everything with its name, and /bytes/N with N bytes",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var config net.ListenConfig
			// The servers of this field speak plain TCP.
			config.SetMultipathTCP(false)
			l, err := config.Listen(cmd.Context(), "tcp", listen)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "rslab: %s on %s\n", args[0], l.Addr())
			server := &http.Server{Handler: lab.Site(args[0]), ReadHeaderTimeout: 10 * time.Second}
			return server.Serve(l)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", listen, "address to listen on")
	return cmd
}

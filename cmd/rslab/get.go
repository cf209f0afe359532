package main

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func newGetCommand() *cobra.Command {
	timeout, count := 2*time.Second, 1
	cmd := &cobra.Command{
		Use:   "get [--timeout 2s] [-n COUNT] URL",
		Short: "Request a page, each time over a fresh connection, and print it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client := &http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true}}
			failed := false
			for range count {
				if err := get(client, args[0], cmd.OutOrStdout()); err != nil {
					fmt.Fprintf(cmd.ErrOrStderr(), "rslab: %v\n", err)
					failed = true
				}
			}
			if failed {
				return exitCode(1)
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "of each request, from connect to the last byte")
	cmd.Flags().IntVarP(&count, "count", "n", count, "how many requests to make, one after the other")
	return cmd
}

// get copies the body of url to w. An answer other than 2xx is an error.
func get(client *http.Client, url string, w io.Writer) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("get %s: %s", url, response.Status)
	}
	if _, err := io.Copy(w, response.Body); err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	return nil
}

package main

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

func newGetCommand() *cobra.Command {
	timeout, count, every := 2*time.Second, 1, time.Duration(0)
	cmd := &cobra.Command{
		Use:   "get [--timeout 2s] [-n COUNT [--every 10ms]] URL",
		Short: "Request a page, each time over a fresh connection, and print it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client := &http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true}}
			if every > 0 {
				return getAtPace(client, args[0], count, every, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
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
	cmd.Flags().DurationVar(&every, "every", every, "do not wait for the answer to begin the next one, and print only how many were lost")
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

// getAtPace begins a request every so often, whatever became of the ones before, and prints how they ended.
func getAtPace(client *http.Client, url string, count int, every time.Duration, stdout, stderr io.Writer) error {
	var (
		all     sync.WaitGroup
		mu      sync.Mutex
		lost    int
		slowest time.Duration
	)
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for range count {
		<-ticks.C
		all.Go(func() {
			start := time.Now()
			err := get(client, url, io.Discard)
			mu.Lock()
			defer mu.Unlock()
			slowest = max(slowest, time.Since(start))
			if err != nil {
				lost++
				fmt.Fprintf(stderr, "rslab: %v\n", err)
			}
		})
	}
	all.Wait()
	fmt.Fprintf(stdout, "%d of %d lost, the slowest took %v\n", lost, count, slowest.Round(time.Millisecond))
	if lost > 0 {
		return exitCode(1)
	}
	return nil
}

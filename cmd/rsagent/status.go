package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"rsagent/health/page"
)

func (a *app) statusCommand() *cobra.Command {
	var output, url string
	c := &cobra.Command{
		Use:   "status",
		Short: "Print what the running daemon says",
		Long: `Ask the running daemon, on this host or at --url, and print what it says: ready
or not and why, VIPs, services, probe, drain, and what drifted last.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output %s: want text or json", output)
			}
			if url == "" {
				address, err := a.endpoint(c)
				if err != nil {
					return err
				}
				url = "http://" + address
			}
			return a.status(c, url+"/status", output)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "`FORMAT`: text or json")
	c.Flags().StringVar(&url, "url", "", "`URL` of another host's daemon, such as http://172.25.84.2:9811")
	return c
}

// endpoint returns where the daemon with this config answers.
func (a *app) endpoint(c *cobra.Command) (string, error) {
	cfg, err := a.load(c)
	if err != nil {
		return "", err
	}
	if cfg.Health.Listen == "" {
		return "", hinted(fmt.Errorf("health.listen is off in %s", a.origin()), "look for yourself: rsagent check")
	}
	host, port, err := net.SplitHostPort(cfg.Health.Listen)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

func (a *app) status(c *cobra.Command, url, output string) error {
	req, err := http.NewRequestWithContext(c.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return hinted(fmt.Errorf("no daemon answers: %w", err), "is it running? systemctl status rsagent", "look for yourself: rsagent check")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	if output == "json" {
		_, err := io.Copy(a.stdout, resp.Body)
		return err
	}
	s, err := page.Decode(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return page.Text(a.stdout, s, newText(a.stdout).paint)
}

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
	var drift bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Print what the running daemon says",
		Long: `Ask the running daemon, on this host or at --url, and print what it says: ready
or not and why, VIPs, services, probe, drain, fights, what is only reported,
where it hears of changes, and what drifted last. With --drift the whole ledger:
what drifted, when, from what to what, by whom, after how long it was in order
again, and how often.`,
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
			if drift {
				return a.fetch(c, url+"/drift", output, a.ledger)
			}
			return a.fetch(c, url+"/status", output, a.status)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "`FORMAT`: text or json")
	c.Flags().BoolVar(&drift, "drift", false, "print the ledger of drifts")
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

// fetch asks the daemon and has the answer printed, unless JSON is wanted.
func (a *app) fetch(c *cobra.Command, url, output string, print func(io.Reader) error) error {
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
	if err := print(resp.Body); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return nil
}

func (a *app) status(body io.Reader) error {
	s, err := page.Decode(body)
	if err != nil {
		return err
	}
	return page.Text(a.stdout, s, newText(a.stdout).paint)
}

func (a *app) ledger(body io.Reader) error {
	l, err := page.DecodeLedger(body)
	if err != nil {
		return err
	}
	return page.LedgerText(a.stdout, l, newText(a.stdout).paint)
}

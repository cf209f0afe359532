package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"

	"rsagent/agent"
	"rsagent/agent/config"
	"rsagent/agent/linux"
	"rsagent/health/probe"
)

// probeFlags are those of rsagent probe.
type probeFlags struct {
	output       string
	fromDirector bool
	rip          string
	port         uint16
	mtu          bool
}

func (a *app) probeCommand() *cobra.Command {
	var f probeFlags
	c := &cobra.Command{
		Use:   "probe [VIP...]",
		Short: "Send a real encapsulated packet, and say what stopped it",
		Long: `Send a real IPIP packet through this host's own decapsulation, for each VIP of
the config or those named, and print its way as far as it came. It enters
through a device of our own, and no real network sees it. Nothing is left
behind.

With --from-director, on a director or any other host: send it to a real server
over the real network, and catch the answer, which comes directly from the VIP.`,
		Example: `  rsagent probe
  rsagent probe --from-director --rip 172.25.84.2 --vip 172.25.84.100 --port 80 --mtu`,
		RunE: func(c *cobra.Command, args []string) error {
			if f.output != "text" && f.output != "json" {
				return fmt.Errorf("--output %s: want text or json", f.output)
			}
			if f.fromDirector {
				return a.probeFromDirector(c, f, args)
			}
			if f.rip != "" || f.port != 0 || f.mtu {
				return hinted(errors.New("--rip, --port and --mtu go with --from-director"), "see rsagent probe --help")
			}
			return a.probe(c, f, args)
		},
	}
	flags := c.Flags()
	flags.StringVarP(&f.output, "output", "o", "text", "`FORMAT`: text or json")
	flags.BoolVar(&f.fromDirector, "from-director", false, "probe another host, a real server, over the network")
	flags.StringVar(&f.rip, "rip", "", "with --from-director: the real server's own `ADDRESS`")
	flags.Uint16Var(&f.port, "port", 0, "with --from-director: the TCP `PORT` of the service (default: ICMP echo)")
	flags.BoolVar(&f.mtu, "mtu", false, "with --from-director: find the largest packet that gets through the tunnel")
	return c
}

func (a *app) probe(c *cobra.Command, f probeFlags, args []string) error {
	cfg, err := a.load(c)
	if err != nil {
		return err
	}
	j := job(cfg)
	if j.Targets, err = chosen(j.Targets, args, cfg); err != nil {
		return err
	}
	if err := privileged("probe"); err != nil {
		return err
	}
	k, err := linux.New()
	if err != nil {
		return err
	}
	defer k.Close()
	prober := newProber(k, func() agent.Desired { return cfg.Desired })
	results := prober.Round(c.Context(), j)
	if err := prober.Close(); err != nil {
		a.complain(err)
	}
	return a.printProbe(f.output, results)
}

// chosen returns the targets that the arguments name, all if there are none.
func chosen(targets []probe.Target, args []string, cfg config.Config) ([]probe.Target, error) {
	if len(args) == 0 {
		return targets, nil
	}
	var out []probe.Target
	for _, arg := range args {
		vip, err := netip.ParseAddr(arg)
		i := slices.IndexFunc(targets, func(t probe.Target) bool { return t.VIP == vip })
		if err != nil || i < 0 {
			return nil, fmt.Errorf("%s is not a VIP of the config, which has %s", arg, plural(len(cfg.Desired.VIPs), "VIP"))
		}
		out = append(out, targets[i])
	}
	return out, nil
}

func (a *app) probeFromDirector(c *cobra.Command, f probeFlags, args []string) error {
	rip, err := config.ParseAddr(f.rip)
	if err != nil {
		return hinted(fmt.Errorf("--rip %w", err), "see rsagent probe --help")
	}
	if len(a.vips) != 1 || len(args) > 0 {
		return hinted(errors.New("--from-director takes one --vip and no arguments"), "see rsagent probe --help")
	}
	cfg, err := config.FromVIPs(a.vips)
	if err != nil {
		return err
	}
	target := probe.Target{VIP: cfg.Desired.VIPs[0], Port: f.port}
	wire, err := linux.OpenProbeWire(rip, target.VIP)
	if err != nil {
		return err
	}
	defer wire.Close()
	remote := probe.Remote{Wire: wire, Local: wire.Local(), RIP: rip, Target: target}
	result := remote.Probe(c.Context())
	if err := a.printProbe(f.output, []probe.Result{result}); err != nil || !f.mtu || !result.Outcome.PathWorks() {
		return err
	}
	// The outer header takes 20 bytes (RFC 2003).
	largest, err := remote.LargestPacket(c.Context(), wire.MTU()-20)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "  largest packet through the tunnel: %d bytes, a TCP segment of %d\n", largest, probe.MSSOf(largest))
	return err
}

func (a *app) printProbe(output string, results []probe.Result) error {
	for _, r := range results {
		a.exit = max(a.exit, probeExit(r.Outcome))
	}
	if slices.ContainsFunc(results, func(r probe.Result) bool { return probeExit(r.Outcome) == exitCritical }) {
		a.exit = exitCritical // outranks "could not tell", whose code is larger
	}
	if output == "json" {
		return printJSON(a.stdout, results)
	}
	for i, r := range results {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		if err := probe.Render(a.stdout, r); err != nil {
			return err
		}
		if r.Way == nil {
			fmt.Fprintf(a.stdout, "  %s\n", r.Why)
		}
	}
	return nil
}

func probeExit(o probe.Outcome) int {
	switch o {
	case probe.Pass:
		return exitOK
	case probe.CouldNotTell:
		return exitUnknown
	}
	return exitCritical
}

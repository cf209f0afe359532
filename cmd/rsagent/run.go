package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"rsagent/agent"
	"rsagent/agent/kernel"
)

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Keep this real server in service: the daemon",
		Long: `Make a pass at once, then on every hint from the kernel about links, addresses
and rp_filter, and every interval. SIGHUP reads the config again; a bad one is
refused and the last good one goes on. SIGTERM ends it and leaves the VIPs in
place: only rsagent teardown takes them away.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.daemon(c) },
	}
}

func (a *app) daemon(c *cobra.Command) error {
	cfg, err := a.load(c)
	if err != nil {
		return err
	}
	log, err := newLogger(a.stderr, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return err
	}
	if !cfg.Desired.ObserveOnly {
		if err := privileged("run"); err != nil {
			return err
		}
		release, err := kernel.Lock(a.stateDir)
		if errors.Is(err, kernel.ErrLocked) {
			return fmt.Errorf("another rsagent is using %s: %w", a.stateDir, err)
		}
		if err != nil {
			return err
		}
		defer release()
	}
	k, err := kernel.New(kernel.Settle(udevWait))
	if err != nil {
		return err
	}
	defer k.Close()
	if _, got := agent.Look(c.Context(), k, a.store(false), cfg.Desired); conflict(cfg.Desired, got) != nil {
		return conflict(cfg.Desired, got)
	}
	d := journal{log: log, notify: newNotifier()}
	log.WithFields(logrus.Fields{"version": resolveVersion(), "config": cfg.Desired.Hash(), "vips": len(cfg.Desired.VIPs)}).Info("started")
	loop := agent.Loop{Kernel: k, Store: a.store(true), Report: d.report}
	loop.Run(c.Context(), agent.Order{Want: cfg.Desired, Interval: cfg.Interval}, a.reloads(c, log))
	d.notify.stopping()
	log.Info("stopped; the VIPs stay in place")
	return nil
}

// journal turns reports into what is said about them.
type journal struct {
	log    logrus.FieldLogger
	notify notifier
	prev   agent.Report
	failed string // the store's last error, said once
}

func (d *journal) report(r agent.Report, err error) {
	if err != nil {
		if err.Error() != d.failed {
			d.log.WithError(err).Error("nothing is repaired")
		}
		d.failed = err.Error()
		return
	}
	d.failed = ""
	logReport(d.log, d.prev, r)
	d.prev = r
	d.notify.pass(r)
}

// reloads reads the config again on SIGHUP. A bad config is reported with all
// its errors and changes nothing.
func (a *app) reloads(c *cobra.Command, log logrus.FieldLogger) <-chan agent.Order {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	out := make(chan agent.Order)
	go func() {
		defer signal.Stop(hup)
		for {
			select {
			case <-c.Context().Done():
				return
			case <-hup:
			}
			cfg, err := a.load(c)
			if err != nil {
				log.WithError(err).Error("config refused, the last good one goes on")
				continue
			}
			log.WithFields(logrus.Fields{"config": cfg.Desired.Hash(), "vips": len(cfg.Desired.VIPs)}).Info("config read again")
			send(c.Context(), out, agent.Order{Want: cfg.Desired, Interval: cfg.Interval})
		}
	}()
	return out
}

func send[T any](ctx context.Context, ch chan<- T, v T) {
	select {
	case ch <- v:
	case <-ctx.Done():
	}
}

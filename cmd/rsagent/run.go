package main

import (
	"context"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"rsagent/agent"
	"rsagent/agent/config"
	"rsagent/agent/linux"
)

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Keep this real server in service: the daemon",
		Long: `Make a pass at once, then on every hint from the kernel about links, addresses
and settings, and every interval. SIGHUP reads the config again; a bad one is
refused and the last good one goes on. SIGTERM ends it and leaves the VIPs in
place: only rsagent teardown takes them away. A config that is refused at the
start ends it, under systemd with exit code 78, so that it is not started again.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.run(c) },
	}
}

// A daemon is rsagent run.
type daemon struct {
	app     *app
	command *cobra.Command
	kernel  *linux.Host
	log     *logrus.Logger
	notify  *notifier
	front   *front
	probing *probing
	hook    *hook
	teller  *teller
	release func() // the state directory; nil while only observing

	hearing  sync.Mutex // guards what follows
	writes   linux.AuditStatus
	interval time.Duration
	prev     agent.Report
	failed   string // the last pass's error, said once
}

func (a *app) run(c *cobra.Command) error {
	modest()
	hup, stop := onSIGHUP()
	defer stop()
	read := fingerprintOf(a.configPath)
	cfg, err := a.load(c)
	if err != nil {
		a.exit = configErrorCode()
		return err
	}
	d := &daemon{app: a, command: c, log: logrus.New(), notify: newNotifier()}
	if d.kernel, err = linux.New(linux.Settle(udevWait), linux.WithAudit(d.onAuditStatus)); err != nil {
		return err
	}
	defer d.kernel.Close()
	d.log.SetOutput(a.stderr)
	defer toJournal(d.log, a.stderr)()
	if err := d.admit(cfg); err != nil {
		return err
	}
	defer d.leave()
	if d.front, err = openFront(cfg, a.stateDir, d.log); err != nil {
		return err
	}
	d.hook = newHook(d.log, d.front.health.HookDropped)
	defer d.hook.end()
	d.hook.follow(cfg.Hook)
	d.front.turns = newTurns()
	d.front.hook, d.teller = d.hook, newTeller(d.log, d.front.health, d.hook)
	defer d.front.run(c.Context())()
	d.sources(cfg.Interval)
	d.probing = &probing{kernel: d.kernel, health: d.front.health, log: d.log, hurry: make(chan struct{}, 1), ctx: c.Context()}
	d.probing.follow(cfg)
	defer d.probing.end()
	d.log.WithFields(logrus.Fields{"version": resolveVersion(), "config": cfg.Hash(), "vips": len(cfg.Desired.VIPs)}).Info("started")
	first := &ahead{Kernel: d.kernel, turns: d.front.turns}
	loop := agent.Loop{Kernel: first, Store: a.store(true).Cached(), Owner: d.owner, Report: func(r agent.Report, err error) {
		first.over()
		d.report(r, err)
	}}
	loop.Run(c.Context(), d.notify.pace(order(cfg)), d.reloads(reloadRequests(c.Context(), hup, cfg, a.configPath, read)))
	d.notify.stopping()
	d.teller.end()
	d.log.Info("stopped; the VIPs stay in place")
	return nil
}

func order(cfg config.Config) agent.Order {
	return agent.Order{Want: cfg.Desired, Interval: cfg.Interval}
}

// admit lets a config in, at the start and on every reload: it must fit this
// host, and enforcing it takes the privilege and the state directory. On an
// error nothing has changed.
func (d *daemon) admit(cfg config.Config) error {
	if _, got := agent.Look(d.command.Context(), d.kernel, d.app.store(false), cfg.Desired); conflict(cfg.Desired, got) != nil {
		return conflict(cfg.Desired, got)
	}
	if d.front != nil {
		if err := d.front.admit(cfg); err != nil {
			return err
		}
	}
	if !cfg.Desired.ObserveOnly && d.release == nil {
		if err := privileged("run"); err != nil {
			return err
		}
		release, err := d.app.lock("run")
		if err != nil {
			return err
		}
		d.release = release
	}
	return configureLog(d.log, cfg.Log.Level, cfg.Log.Format)
}

func (d *daemon) leave() {
	if d.release != nil {
		d.release()
	}
}

// report turns the report of a pass into what is said about it.
func (d *daemon) report(r agent.Report, err error) {
	d.front.health.Report(r, err)
	if r.Scope.Partial {
		d.teller.report(part(d.prev, r), r)
		d.prev = merged(d.prev, r)
		d.notify.pass(d.prev, nil) // the whole is as it was
		return
	}
	if len(r.Done) > 0 || r.State() != d.prev.State() {
		d.probing.soon()
	}
	d.teller.report(d.prev, r)
	d.notify.pass(r, err)
	d.prev = r
	d.prev.Before, d.prev.After = nil, agent.NotOK(r.After) // nobody asks for more, with each event
	if err == nil {
		d.failed = ""
		return
	}
	if err.Error() != d.failed {
		d.log.WithError(err).Error("cannot repair")
	}
	d.failed = err.Error()
}

func send[T any](ctx context.Context, ch chan<- T, v T) {
	select {
	case ch <- v:
	case <-ctx.Done():
	}
}

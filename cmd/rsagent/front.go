package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/sirupsen/logrus"

	"rsagent/agent/config"
	"rsagent/agent/statedir"
	"rsagent/health"
	"rsagent/health/page"
)

// A front is what directors and people see of the daemon: readiness over HTTP
// and, if asked for, HAProxy's agent check.
type front struct {
	health  *health.Health
	log     logrus.FieldLogger
	config  config.Health
	http    net.Listener // nil: not asked for
	agent   net.Listener // nil: not asked for
	server  *http.Server
	turns   *health.Turns // of those who ask over HTTP
	traffic *page.Traffic
	hook    *hook // told of readiness; nil for none
}

// open opens the sockets, so that a port that is taken is an error before
// anything is changed. Sockets handed over by systemd, named health and
// agent-check, go before the config's.
func openFront(cfg config.Config, stateDir string, log logrus.FieldLogger) (*front, error) {
	checked := healthConfig(cfg, stateDir)
	checked.LedgerFile, checked.Complain = statedir.Name("ledger"), func(err error) { log.Warn(err) }
	f := &front{health: health.New(checked), log: log, config: cfg.Health}
	handed, err := activation.ListenersWithNames()
	if err != nil {
		return nil, fmt.Errorf("socket activation: %w", err)
	}
	if f.http, err = listener(handed["health"], cfg.Health.Listen, "health.listen"); err != nil {
		return nil, err
	}
	if f.agent, err = listener(handed["agent-check"], cfg.Health.AgentCheck, "health.agent_check"); err != nil {
		f.close()
		return nil, err
	}
	f.traffic = page.NewTraffic(page.DeviceReader(cfg.Desired.Device))
	f.server = health.NewServer(&health.Handler{Health: f.health, Page: page.Handler(f.health, f.traffic)})
	return f, nil
}

func listener(handed []net.Listener, address, key string) (net.Listener, error) {
	if len(handed) > 0 && handed[0] != nil {
		return handed[0], nil
	}
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		err = fmt.Errorf("%s: %w", key, err)
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			return nil, hinted(err, "it is no address of this host: ip addr", "leave the address out to listen on all of them, as in :9811")
		}
		return nil, hinted(err, "see who has it: ss -ltnp", "or choose another address in the config")
	}
	return l, nil
}

func healthConfig(cfg config.Config, stateDir string) health.Config {
	out := health.Config{
		Node: node(), Version: resolveVersion(), ConfigHash: cfg.Hash(), VIPs: cfg.Desired.VIPs,
		Interval: cfg.Interval, Rise: cfg.Health.Rise, Fall: cfg.Health.Fall,
		ProbeInterval: cfg.Probe.Interval, StateDir: stateDir,
	}
	for _, s := range cfg.Services {
		out.Services = append(out.Services, health.Service{VIP: s.VIP, Port: s.Port, HTTPPath: s.HTTP})
	}
	return out
}

// admit refuses a config whose sockets are others than the ones that are open.
func (f *front) admit(cfg config.Config) error {
	if cfg.Health.Listen != f.config.Listen || cfg.Health.AgentCheck != f.config.AgentCheck {
		return errors.New("health.listen, health.agent_check: they change only with a restart")
	}
	return nil
}

// run serves until ctx ends, and tells of every change of readiness. Readiness
// fails first; what is asked after that is still answered, until stop.
func (f *front) run(ctx context.Context) (stop func()) {
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, f.health.Shutdown)
	var watching sync.WaitGroup
	watching.Go(func() { f.health.Run(serving) })
	go f.tell(serving, f.health.Snapshot()) // from before the first pass
	go f.traffic.Run(serving)
	if f.http != nil {
		go f.serve("http", func() error { return f.server.Serve(f.turns.Listen(f.http)) })
	}
	if f.agent != nil {
		go f.serve("agent check", func() error { return f.health.ServeAgentCheck(serving, f.agent) })
	}
	return func() {
		limit, done := context.WithTimeout(serving, time.Second)
		defer done()
		_ = f.server.Shutdown(limit) // who is still asking then has had the answer "not ready"
		cancel()
		watching.Wait() // the ledger is in its file
		f.close()
	}
}

func (f *front) serve(what string, serve func() error) {
	if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		f.log.WithError(err).Error(what + " ended")
	}
}

// tell logs every change of readiness since prev with its reasons.
func (f *front) tell(ctx context.Context, prev health.Snapshot) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.health.Changed():
		}
		now := f.health.Snapshot()
		for _, t := range health.Transitions(prev, now) {
			f.transition(t)
		}
		prev = now
	}
}

func (f *front) transition(t health.Transition) {
	f.hook.readiness(t)
	entry := f.log.WithField("who", "host")
	if t.VIP.IsValid() {
		entry = f.log.WithField("who", t.VIP.String())
	}
	if t.Ready {
		entry.Info("ready")
		return
	}
	if len(t.Reasons) > 0 {
		entry = entry.WithFields(logrus.Fields{"reason": t.Reasons[0].Code, "why": t.Reasons[0].Text})
	}
	entry.Warn("not ready")
}

func (f *front) close() {
	for _, l := range []net.Listener{f.http, f.agent} {
		if l != nil {
			_ = l.Close()
		}
	}
}

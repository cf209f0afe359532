package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"rsagent/agent"
	"rsagent/agent/config"
)

// reloads reads the config again whenever asked. A bad config is reported with
// all its errors and changes nothing.
func (d *daemon) reloads(asked <-chan struct{}) <-chan agent.Order {
	ctx := d.command.Context()
	out := make(chan agent.Order)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-asked:
			}
			d.notify.reloading()
			if o, ok := d.reload(); ok {
				send(ctx, out, o)
			}
			d.notify.reloaded()
		}
	}()
	return out
}

func (d *daemon) reload() (agent.Order, bool) {
	cfg, err := d.app.load(d.command)
	if err == nil {
		err = d.admit(cfg)
	}
	if err != nil {
		d.log.WithError(err).Error("config rejected, keeping running config")
		d.front.health.SetConfigProblem(err.Error())
		return agent.Order{}, false
	}
	d.front.health.SetConfigProblem("")
	d.hook.follow(cfg.Hook)
	d.sources(cfg.Interval)
	d.front.health.Reload(healthConfig(cfg, d.app.stateDir))
	d.probing.follow(cfg)
	d.log.WithFields(logrus.Fields{"config": cfg.Hash(), "vips": len(cfg.Desired.VIPs)}).Info("config reloaded")
	return d.notify.pace(order(cfg)), true
}

// reloadRequests returns a channel that holds a value when the config is to be read
// again: on a SIGHUP, and when its file is another than the one that was read,
// if the config says so.
func reloadRequests(ctx context.Context, hup <-chan os.Signal, cfg config.Config, path string, read fingerprint) <-chan struct{} {
	asked := make(chan struct{}, 1)
	ask := func() {
		select {
		case asked <- struct{}{}:
		default:
		}
	}
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				ask()
			}
		}
	}()
	if cfg.WatchConfig {
		go watchFile(ctx, path, read, ask)
	}
	return asked
}

// onSIGHUP starts to listen for SIGHUP: unheard, it kills.
func onSIGHUP() (hup chan os.Signal, stop func()) {
	hup = make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return hup, func() { signal.Stop(hup) }
}

// watchPace is how often a watched file is looked at.
const watchPace = time.Second

// watchFile calls changed when the file behind path is another one than the one
// that was read, or has other content, and has been so for a moment: a file
// that is still being written is not read. Looking, where inotify would tell, is right
// on every file system and through every link that a config management makes.
func watchFile(ctx context.Context, path string, read fingerprint, changed func()) {
	w := changeDetector{known: read, last: read}
	tick := time.NewTicker(watchPace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if w.look(fingerprintOf(path)) {
			changed()
		}
	}
}

// A fingerprint is equal for a file that has not changed. A file that is not
// there has the zero one.
type fingerprint struct {
	inode uint64
	size  int64
	time  time.Time
}

func fingerprintOf(path string) fingerprint {
	info, err := os.Stat(path)
	if err != nil {
		return fingerprint{}
	}
	f := fingerprint{size: info.Size(), time: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		f.inode = st.Ino
	}
	return f
}

// changeDetector notices that a file has changed, once it stays the same.
type changeDetector struct {
	known, last fingerprint
}

// look takes what the file is like now. A file that is gone is no change: it
// may be about to be replaced.
func (s *changeDetector) look(now fingerprint) (changed bool) {
	settled := s.last == now
	s.last = now
	if !settled || now == s.known || now == (fingerprint{}) {
		return false
	}
	s.known = now
	return true
}

//go:build lab

package probe_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent/lab"
	"rsagent/agent/linux"
	"rsagent/health/probe"
)

// A sweeper is a daemon's prober at work.
type sweeper struct {
	stop   context.CancelFunc
	latest chan probe.Result
	ended  chan error
}

func runProber(ctx context.Context, t *testing.T, h *lab.Host, job probe.Job) sweeper {
	running, stop := context.WithCancel(ctx)
	t.Cleanup(stop)
	s := sweeper{stop: stop, latest: make(chan probe.Result, 1000), ended: make(chan error, 1)}
	go func() {
		s.ended <- h.Do(func() error {
			k, err := linux.New()
			if err != nil {
				return err
			}
			defer k.Close()
			return prober(k, job).Run(running, func() probe.Job { return job }, time.Second, nil, func(rs []probe.Result) {
				for _, r := range rs {
					s.latest <- r
				}
			})
		})
	}()
	return s
}

// await waits for a result of that kind.
func (s sweeper) await(t *testing.T, what string, ok func(probe.Result) bool) {
	t.Helper()
	for {
		select {
		case r := <-s.latest:
			if ok(r) {
				return
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: not seen", what)
		}
	}
}

// forget lets go of the results that are there.
func (s sweeper) forget() {
	for len(s.latest) > 0 {
		<-s.latest
	}
}

// A daemon's prober sees what breaks and what mends within an interval, and gets over the loss of its device.
func TestProbeRuns(t *testing.T) {
	ctx, n := newNetwork(t)
	if err := n.RS1.Serve("rs1"); err != nil {
		t.Fatal(err)
	}
	before, err := n.RS1.Dump(ctx)
	if err != nil {
		t.Fatal(err)
	}
	job := probe.Job{Targets: []probe.Target{labWeb, labEcho}, Directors: []netip.Addr{labDirector}}
	s := runProber(ctx, t, n.RS1, job)
	passing := func(r probe.Result) bool { return r.Outcome == probe.Pass }
	s.await(t, "pass", passing)
	sh(ctx, t, n.RS1, "sysctl -qw net.ipv4.conf.tunl0.rp_filter=1")
	s.await(t, "rp_filter", func(r probe.Result) bool { return r.Cause == probe.RPFilter })
	sh(ctx, t, n.RS1, "sysctl -qw net.ipv4.conf.tunl0.rp_filter=0")
	s.await(t, "pass again", passing)
	sh(ctx, t, n.RS1, "sysctl -qw net.ipv4.conf.rsprobe0.rp_filter=1 net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.tunl0.rp_filter=2")
	s.forget()
	s.await(t, "the device's own filter does not count", passing)
	sh(ctx, t, n.RS1, "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.tunl0.rp_filter=0; ip link del rsprobe0")
	s.forget()
	s.await(t, "pass without the first device", passing)
	s.stop()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	after, err := n.RS1.Dump(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

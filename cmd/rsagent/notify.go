package main

import (
	"sync/atomic"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"rsagent/agent"
)

// A notifier tells systemd how it goes, where there is a systemd that asked.
type notifier struct {
	ready atomic.Bool
	// watchdog is how long systemd waits for a finished pass before it restarts
	// the agent; 0 if it does not.
	watchdog time.Duration

	said string    // by the last pass that said anything
	at   time.Time // when
}

func newNotifier() *notifier {
	// What cannot be understood is no watchdog of ours.
	watchdog, _ := sd.SdWatchdogEnabled(false)
	return &notifier{watchdog: watchdog}
}

// pace returns the order with an interval that keeps the watchdog fed: a pass
// at least every half of its time, however rare the config wants them.
func (n *notifier) pace(o agent.Order) agent.Order {
	if n.watchdog > 0 {
		o.Interval = min(o.Interval, n.watchdog/2)
	}
	return o
}

// pass follows a finished pass: STATUS with the one-line report, WATCHDOG, so
// that a pass that hangs gets the agent restarted, and READY once the first
// pass has been verified. What systemd knows already is not said, but for the
// watchdog's sake: that costs process 1 more than us.
func (n *notifier) pass(r agent.Report, err error) {
	state := "STATUS=" + summary(r.After) + "\n" + sd.SdNotifyWatchdog
	if err != nil {
		state = "STATUS=cannot repair: " + firstLine(err.Error()) + "\n" + sd.SdNotifyWatchdog
	}
	first := err == nil && n.ready.CompareAndSwap(false, true)
	if !first && state == n.said && !n.hungry() {
		return
	}
	n.said, n.at = state, time.Now()
	if first {
		state += "\n" + sd.SdNotifyReady
	}
	tell(state)
}

// hungry reports whether the watchdog has not been fed for a quarter of its
// time. The next pass follows within a half, see pace.
func (n *notifier) hungry() bool { return n.watchdog > 0 && time.Since(n.at) >= n.watchdog/4 }

// reloading says that the config is being read again, and reloaded that this
// is over, whatever came of it. Before the first READY both are silent: it is
// for a verified pass to say.
func (n *notifier) reloading() {
	if n.ready.Load() {
		tell(sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec())
	}
}

func (n *notifier) reloaded() {
	if n.ready.Load() {
		tell(sd.SdNotifyReady)
	}
}

func (n *notifier) stopping() { tell(sd.SdNotifyStopping) }

// tell has nobody to tell when telling fails.
func tell(state string) { _, _ = sd.SdNotify(false, state) }

package main

import (
	sd "github.com/coreos/go-systemd/v22/daemon"

	"rsagent/agent"
)

// A notifier tells systemd how it goes, where there is a systemd that asked.
type notifier struct{ ready *bool }

func newNotifier() notifier { return notifier{new(bool)} }

// pass follows a finished pass: STATUS with the one-line report, WATCHDOG, so
// that a pass that hangs gets the agent restarted, and READY once the first
// pass has been verified.
func (n notifier) pass(r agent.Report, err error) {
	state := "STATUS=" + summary(r.After) + "\n" + sd.SdNotifyWatchdog
	if err != nil {
		state = "STATUS=cannot repair: " + firstLine(err.Error()) + "\n" + sd.SdNotifyWatchdog
	}
	if !*n.ready && err == nil {
		state += "\n" + sd.SdNotifyReady
		*n.ready = true
	}
	// There is nobody to tell when telling fails.
	_, _ = sd.SdNotify(false, state)
}

func (n notifier) stopping() { _, _ = sd.SdNotify(false, sd.SdNotifyStopping) }

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"rsagent/agent/linux"
)

// lock takes the state directory for a command that changes the host. Beside
// another one it is refused, with what to do instead.
func (a *app) lock(command string) (release func(), err error) {
	release, err = linux.Lock(a.stateDir)
	var locked linux.LockedError
	if !errors.As(err, &locked) {
		return release, err
	}
	who := "another rsagent"
	if locked.PID != 0 {
		who += fmt.Sprintf(" (pid %d)", locked.PID)
	}
	return nil, fmt.Errorf("%s is running here; use: %s", who, instead(command, locked.PID))
}

// instead returns the command that does beside the process what the given one
// would do. What cannot be seen is taken for the service.
func instead(command string, pid int) string {
	proc := "/proc/" + strconv.Itoa(pid)
	args, err := os.ReadFile(proc + "/cmdline")
	if err == nil && !slices.Contains(strings.Split(string(args), "\x00"), "run") {
		return "rsagent " + command + ", when it has ended" // an apply or a teardown
	}
	reload, stop := "systemctl reload rsagent", "systemctl stop rsagent"
	if cgroup, readErr := os.ReadFile(proc + "/cgroup"); err == nil && readErr == nil && !strings.Contains(string(cgroup), "rsagent.service") {
		reload, stop = fmt.Sprintf("kill -HUP %d", pid), fmt.Sprintf("kill %d", pid)
	}
	if command == "teardown" {
		return stop + "; rsagent teardown"
	}
	return reload
}

package main

import (
	"os"
	"testing"
)

// What is to be done beside another rsagent depends on what that one is; one
// that cannot be seen is taken for the service.
func TestInstead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		command string
		pid     int
		want    string
	}{
		{"apply", 0, "systemctl reload rsagent"},
		{"teardown", 0, "systemctl stop rsagent; rsagent teardown"},
		{"run", 0, "systemctl reload rsagent"},
		{"apply", os.Getpid(), "rsagent apply, when it has ended"}, // this is no daemon
	} {
		if got := instead(c.command, c.pid); got != c.want {
			t.Errorf("%s beside %d: %q, want %q", c.command, c.pid, got, c.want)
		}
	}
}

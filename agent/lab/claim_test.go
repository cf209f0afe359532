//go:build lab

package lab_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"rsagent/agent/lab"
)

func TestOneNetworkAtATime(t *testing.T) {
	ctx, n := newNetwork(t)
	if second, err := lab.New(ctx); err == nil || !strings.Contains(err.Error(), "another process has a network here") {
		t.Errorf("got %v, %v", second, err)
	}
	// The first one is none the worse for it.
	if out, err := n.RS1.Run(ctx, "ip", "-br", "addr"); err != nil || !strings.Contains(out, lab.RS1Addr) {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestForeignNamespaceIsLeftAlone(t *testing.T) {
	ctx := t.Context()
	run(t, "ip", "netns", "add", "rs1")
	t.Cleanup(func() { run(t, "ip", "netns", "delete", "rs1") })
	n, err := lab.New(ctx)
	if err == nil || !strings.Contains(err.Error(), "not the lab's: rs1 ") {
		t.Fatalf("got %v, %v", n, err)
	}
	if got := run(t, "ip", "netns"); strings.TrimSpace(got) != "rs1" {
		t.Errorf("namespaces: %q", got)
	}
}

// killedHelper makes this test binary a process that builds a network and is killed before it can close it.
const killedHelper = "RSAGENT_LAB_TEST_KILLED"

func TestRemainsOfKilledRunAreRemoved(t *testing.T) {
	if os.Getenv(killedHelper) != "" {
		leaveRemains(t)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	helper := exec.Command(self, "-test.run", "^TestRemainsOfKilledRunAreRemoved$")
	helper.Env = append(os.Environ(), killedHelper+"=1")
	if out, err := helper.CombinedOutput(); err == nil || !strings.Contains(string(out), "killed now") {
		t.Fatalf("helper: %v\n%s", err, out)
	}
	if got := run(t, "ip", "netns", "pids", "rs2"); got == "" {
		t.Error("helper left no process behind")
	}
	ctx, n := newNetwork(t, lab.WithWebServers())
	if got, err := n.Get(ctx, "http://"+lab.RS2Addr+"/"); got != lab.RS2Site {
		t.Errorf("got %q, %v", got, err)
	}
}

// leaveRemains does not return.
func leaveRemains(t *testing.T) {
	n, err := lab.New(t.Context(), lab.WithWebServers())
	if err != nil {
		t.Fatal(err)
	}
	cmd := n.RS2.Command(t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return run(t, "ip", "netns", "pids", "rs2") != "" })
	os.Stdout.WriteString("killed now\n")
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	t.Fatal(err)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

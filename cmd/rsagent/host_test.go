//go:build host

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestHost plays scripts beside a Debian host with systemd, one after the
// other on the same one. In a script rs, dir and client run a command on the
// host and in the namespaces that world.sh makes, and rs --reboot starts the
// host anew. $OLD and $NEW are two versions of the package, and $SHARE and
// $FILES the folders of these scripts and of the script's own files, as the
// host sees them.
func TestHost(t *testing.T) {
	if os.Getenv("RSLAB_HOST") == "" {
		t.Fatal("only beside a host: go test -exec 'bin/rslab host --'")
	}
	scripts, err := filepath.Glob("testdata/host/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, script := range scripts {
		testscript.RunT(inTurn{t}, testscript.Params{Files: []string{script}, Cmds: commands, Setup: setupHost})
	}
}

// buildMachine is where the host sees the machine that the tests run on.
const buildMachine = "/run/rslab/host"

func setupHost(env *testscript.Env) error {
	bin := filepath.Join(env.WorkDir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	for name, where := range map[string]string{"rs": "", "dir": "ip netns exec dir", "client": "ip netns exec client"} {
		text := fmt.Sprintf("#!/bin/sh\nexec rslab in %s \"$@\"\n", where)
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	env.Setenv("PATH", bin+":"+env.Getenv("PATH"))
	env.Setenv("RSLAB_HOST", os.Getenv("RSLAB_HOST"))
	env.Setenv("FILES", buildMachine+env.WorkDir)
	share, err := filepath.Abs("testdata/host")
	if err != nil {
		return err
	}
	env.Setenv("SHARE", buildMachine+share)
	for name, dir := range map[string]string{"OLD": "1", "NEW": "2"} {
		debs, err := filepath.Glob("../../bin/host/" + dir + "/*.deb")
		if err != nil || len(debs) != 1 {
			return fmt.Errorf("packages %v in bin/host/%s, %w: make test-host makes one", debs, dir, err)
		}
		deb, err := filepath.Abs(debs[0])
		if err != nil {
			return err
		}
		env.Setenv(name, buildMachine+deb)
	}
	return nil
}

// inTurn makes scripts run one after the other: they share a host.
type inTurn struct{ *testing.T }

func (inTurn) Parallel() {}

func (i inTurn) Run(name string, f func(testscript.T)) {
	i.T.Run(name, func(t *testing.T) { f(inTurn{t}) })
}

func (inTurn) Verbose() bool { return testing.Verbose() }

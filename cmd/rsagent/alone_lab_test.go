//go:build lab

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestAlone plays scripts on the machine itself. It comes first, by the name of
// this file: while there is no other network namespace, nor a thread of this
// process that was in one.
func TestAlone(t *testing.T) {
	inLab(t)
	scripts, err := filepath.Glob("testdata/alone/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	defer restoreDefaults(t)()
	for _, script := range scripts {
		_ = exec.Command("modprobe", "-r", "ipip").Run()
		testscript.RunT(sequential{t}, testscript.Params{Files: []string{script}, Cmds: commands, Setup: setup})
	}
}

// restoreDefaults returns what puts the settings back that later network
// namespaces begin with: those of this one.
func restoreDefaults(t *testing.T) func() {
	t.Helper()
	found := map[string][]byte{}
	files, err := filepath.Glob("/proc/sys/net/ipv4/conf/*/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no settings: %v", err)
	}
	for _, file := range files {
		if value, err := os.ReadFile(file); err == nil {
			found[file] = value
		}
	}
	return func() {
		for file, value := range found {
			now, err := os.ReadFile(file)
			if err != nil || string(now) == string(value) {
				continue // gone with its device
			}
			if err := os.WriteFile(file, value, 0o644); err != nil {
				t.Error(err)
			}
		}
	}
}

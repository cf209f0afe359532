//go:build lab

// Package packaging holds what the packages are made of, and their tests.
package packaging

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestRPM plays what a machine with rpm goes through, in a disposable one whose
// rpm has no other package. $RPMS has the package to test, $OLDER the same as an
// older version, $STANDIN what stands in for the packages it depends on.
func TestRPM(t *testing.T) {
	if os.Getenv("RSLAB") != "1" {
		t.Fatal("only in a disposable machine: go test -exec 'bin/rslab exec --'")
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/lab", Setup: func(env *testscript.Env) error {
		env.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
		for name, pattern := range map[string]string{
			"RPM": "../bin/packages/*.x86_64.rpm", "OLDER": "../bin/stage/older/rsagent*.rpm", "STANDIN": "../bin/stage/older/stand-in*.rpm",
		} {
			found, err := filepath.Glob(pattern)
			if err != nil || len(found) != 1 {
				t.Fatalf("%s: %v %v", pattern, found, err)
			}
			path, err := filepath.Abs(found[0])
			if err != nil {
				return err
			}
			env.Setenv(name, path)
		}
		return nil
	}})
}

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// commands are what scripts have beside testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	// exits CODE COMMAND… expects an exit code.
	"exits": func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) < 2 || neg {
			ts.Fatalf("usage: exits CODE COMMAND...")
		}
		want, err := strconv.Atoi(args[0])
		ts.Check(err)
		err = ts.Exec(args[1], args[2:]...)
		got := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			got = exit.ExitCode()
		} else {
			ts.Check(err)
		}
		if got != want {
			ts.Fatalf("exit code %d, want %d", got, want)
		}
	},
	// eventually DURATION COMMAND… repeats a command until it succeeds.
	"eventually": func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) < 2 || neg {
			ts.Fatalf("usage: eventually DURATION COMMAND...")
		}
		limit, err := time.ParseDuration(args[0])
		ts.Check(err)
		for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
			err := ts.Exec(args[1], args[2:]...)
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				ts.Fatalf("not within %s: %v", limit, err)
			}
		}
	},
	// readme HEADING FILE writes the first block of code below a heading of the
	// README, so that what people copy from there is what is tested.
	"readme": func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) != 2 || neg {
			ts.Fatalf("usage: readme HEADING FILE")
		}
		block, err := docsBlock(args[0])
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(block), 0o644))
	},
}

// docsBlock returns the first block of code below a heading of the manual's page
// about directors.
func docsBlock(heading string) (string, error) {
	text, err := os.ReadFile("../../packaging/docs/directors.md")
	if err != nil {
		return "", err
	}
	var block strings.Builder
	below := false
	for line := range strings.Lines(string(text)) {
		code, isCode := strings.CutPrefix(line, "    ")
		switch {
		case strings.HasPrefix(line, "#"):
			below = strings.TrimSpace(strings.TrimLeft(line, "#")) == heading
		case below && isCode:
			block.WriteString(code)
		case block.Len() > 0 && strings.TrimSpace(line) != "":
			return block.String(), nil
		}
	}
	if block.Len() > 0 {
		return block.String(), nil
	}
	return "", fmt.Errorf("directors.md: no block of code below %q", heading)
}

// Command rslab runs a command inside a disposable machine with a real Debian kernel.
//
// The machine is a qemu guest over this host's own root file system, read-only under an overlay in memory: whatever is
// installed here is there, and whatever the command changes is gone afterwards. One static binary is both the
// launcher on the host and process 1 of the guest; see guest.go for the latter.
//
// rslab exits with the command's own exit code, 128+n when a signal ended it, 124 when the time limit did, and 125
// when rslab itself could not do its work.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// Exit codes of rslab itself, those that env(1), timeout(1) and container runtimes use.
const (
	codeTimeLimit  = 124
	codeFailed     = 125
	codeCannotExec = 126
	codeNotFound   = 127
	codeSignalled  = 128 // + the signal's number
)

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// run is main with its surroundings handed in. In the guest, where the kernel starts this binary as /init, it does
// not return.
func run(args []string, stdout, stderr io.Writer) int {
	if isGuestInit(args) {
		return guestMain()
	}
	root := newRootCommand(stdout, stderr)
	root.SetArgs(args[1:])
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return 0
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	fmt.Fprintf(stderr, "rslab: %v\n", err)
	return codeOf(err)
}

// codeOf is the exit code of an error of rslab's own.
func codeOf(err error) int {
	var limit timeLimit
	var stopped signalled
	switch {
	case errors.As(err, &limit):
		return codeTimeLimit
	case errors.As(err, &stopped):
		return codeSignalled + int(stopped.signal)
	default:
		return codeFailed
	}
}

// exitCode is the error of a command that has nothing to say but its exit code.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func newRootCommand(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "rslab",
		Short:         "Run a command in a disposable machine with a real Debian kernel",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newExecCommand(), newDemoCommand(), newFetchCommand(), newServeCommand(), newGetCommand(), newNativeInitCommand(),
		newHostCommand(), newInCommand(), newHostAgentCommand())
	return root
}

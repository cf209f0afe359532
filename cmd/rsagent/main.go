// Rsagent keeps the real-server side of LVS/TUN in order.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// execute is the whole program: it returns the exit code.
func execute(ctx context.Context, args []string, stdout, stderr *os.File) int {
	a := &app{stdout: stdout, stderr: stderr}
	root := a.command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		if _, _, found := root.Find(args); found != nil && found.Error() == err.Error() {
			err = hinted(err, suggestions(root, args)...)
		}
		a.complain(err)
		return max(a.exit, exitUnknown)
	}
	return a.exit
}

// suggestions are the hints for a command that does not exist.
func suggestions(parent *cobra.Command, args []string) []string {
	parent.SuggestionsMinimumDistance = 2
	hints := []string{"see " + parent.CommandPath() + " --help"}
	for _, arg := range args {
		for _, name := range parent.SuggestionsFor(arg) {
			hints = append([]string{"did you mean " + parent.CommandPath() + " " + name + "?"}, hints...)
		}
	}
	return hints
}

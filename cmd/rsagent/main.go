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
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr *os.File) int {
	a := &app{stdout: stdout, stderr: stderr}
	root := a.command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		if _, _, found := root.Find(args); found != nil {
			err = hinted(found, suggestions(root, args)...)
		}
		a.complain(err)
		return exitUnknown
	}
	return a.exit
}

// suggestions are the hints for a command that does not exist.
func suggestions(root *cobra.Command, args []string) []string {
	hints := []string{"see rsagent --help"}
	for _, arg := range args {
		for _, name := range root.SuggestionsFor(arg) {
			hints = append([]string{"did you mean rsagent " + name + "?"}, hints...)
		}
	}
	return hints
}

//go:build bench

package bench

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"rsagent/agent/lab"
)

var (
	rows    = flag.String("rows", "", "measure only the sections whose names match this `pattern`, and write no file")
	out     = flag.String("out", "", "write the table and the machine to this `file`")
	rsagent = flag.String("rsagent", "../../../bin/rsagent", "the rsagent to measure")
	nginx   = flag.String("nginx", "../../../bin/nginx", "the nginx to measure against")
	machine = flag.String("machine", "", "what the machine's host says of itself")
	commit  = flag.String("commit", "", "the commit measured")
)

// A section measures one subject on a network of its own.
type section struct {
	name    string
	measure func(context.Context, *lab.Network) (Section, error)
}

func sections() []section {
	return []section{
		{"repair", repairRows},
		{"clients", clientRows},
		{"scale", scaleRows},
		{"place", placeRows},
		{"check", checkRows},
		{"start", startRows},
		{"idle", idleRows},
		{"ready", readyRows},
		{"tunnel", tunnelRows},
		{"storm", stormRows},
	}
}

// TestMain is also the way into the reference programs, which are processes of their own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if helper, ok := helpers()[os.Args[1]]; ok {
			if err := helper(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

func helpers() map[string]func([]string) error {
	return map[string]func([]string) error{"bareloop": bareLoop, "storm": storm, "fight": fight}
}

func TestBench(t *testing.T) {
	if os.Getenv("RSLAB") != "1" {
		t.Fatal("this loads modules and breaks what it finds: run it with make bench, which does so in a disposable machine")
	}
	chosen, err := regexp.Compile("^(" + *rows + ")$")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir()) // what the sections leave behind goes with it
	var done []Section
	for _, s := range sections() {
		if *rows == "" || chosen.MatchString(s.name) {
			done = append(done, measure(t, s))
		}
	}
	text := Table(done)
	fmt.Print("\n" + text)
	if *out != "" && *rows == "" {
		if err := os.WriteFile(*out, []byte(document(text)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// measure makes a section of whatever could be measured, and a row that says why of what could not.
func measure(t *testing.T, s section) Section {
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	n, err := lab.New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.measure(ctx, n)
	if end := n.Close(); err == nil {
		err = end
	}
	if err != nil {
		t.Errorf("%s: %v", s.name, err)
		got.Rows = append(got.Rows, Row{What: s.name + ": the rest", Missing: err.Error()})
	}
	got.Name = s.name
	fmt.Fprintf(os.Stderr, "%s: %v\n", s.name, time.Since(start).Round(time.Second))
	return got
}

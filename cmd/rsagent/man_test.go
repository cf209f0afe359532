package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rsagent/agent"
	"rsagent/agent/config"
)

var update = flag.Bool("update", false, "rewrite the man pages")

// TestManPages holds the man pages to the sources of --help, of the reference
// config and of the IDs. With -update it writes them.
func TestManPages(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"rsagent.8", "rsagent.yaml.5"} {
		page := filepath.Join("../../packaging/man", name)
		want := manPage(t, name)
		if *update {
			if err := os.WriteFile(page, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: rewrite it with -update (-want +got):\n%s", name, diff)
		}
	}
}

// manPage fills in the page's frame, which has the words that are said nowhere
// else.
func manPage(t *testing.T, name string) []byte {
	t.Helper()
	root := (&app{}).command()
	root.InitDefaultCompletionCmd()
	frame, err := template.New(name).Funcs(template.FuncMap{
		"synopsis": func() string { return manSynopsis(root) },
		"about":    func() string { return manAbout(root) },
		"commands": func() string { return manCommands(root) },
		"global":   func() string { return manFlags(root.PersistentFlags()) },
		"findings": manFindings,
		"keys":     manKeys,
	}).ParseFiles(filepath.Join("testdata/man", name))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := frame.Execute(&b, nil); err != nil {
		t.Fatal(err)
	}
	return []byte(foldRoff(b.String()))
}

// manAbout is what the program's help says, but for the exit codes, which have
// a section of their own.
func manAbout(root *cobra.Command) string {
	about, _, _ := strings.Cut(root.Long, "\n\nExit codes:")
	return roffText(about)
}

// leaves calls f for every command that does something.
func leaves(c *cobra.Command, f func(*cobra.Command)) {
	for _, sub := range c.Commands() {
		switch {
		case sub.HasSubCommands():
			leaves(sub, f)
		case sub.Name() != "help":
			f(sub)
		}
	}
}

func manSynopsis(root *cobra.Command) string {
	var lines []string
	leaves(root, func(c *cobra.Command) {
		lines = append(lines, manUse(c)+"\n.br")
	})
	return strings.TrimSuffix(strings.Join(lines, "\n"), "\n.br")
}

// manUse is a command with its arguments and its own flags.
func manUse(c *cobra.Command) string {
	use := `\fB` + roffWord(c.CommandPath()) + `\fR`
	if _, args, has := strings.Cut(c.Use, " "); has {
		use += " " + roffWord(args)
	}
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			use += " [" + manFlag(f, f.Shorthand != "") + "]"
		}
	})
	return use
}

// manFlag is a flag with what it takes, in its short form if so wanted.
func manFlag(f *pflag.Flag, short bool) string {
	name := "--" + f.Name
	if short {
		name = "-" + f.Shorthand
	}
	out := `\fB` + roffWord(name) + `\fR`
	if takes, _ := pflag.UnquoteUsage(f); takes != "" {
		out += `\ \fI` + roffWord(takes) + `\fR`
	}
	return out
}

func manCommands(root *cobra.Command) string {
	var b strings.Builder
	leaves(root, func(c *cobra.Command) {
		fmt.Fprintf(&b, ".SS %q\n", strings.TrimPrefix(c.CommandPath(), "rsagent "))
		text := c.Short + "."
		if c.Long != "" && c.Parent().Name() != "completion" { // what cobra says there is for another page
			text = c.Long
		}
		b.WriteString(roffText(text) + "\n")
		if flags := manFlags(c.LocalNonPersistentFlags()); flags != "" {
			b.WriteString(flags + "\n")
		}
		if c.Example != "" && c.Parent() == root {
			b.WriteString(".PP\n" + roffText(c.Example) + "\n")
		}
	})
	return strings.TrimSpace(b.String())
}

func manFlags(flags *pflag.FlagSet) string {
	var out []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		head := manFlag(f, false)
		if f.Shorthand != "" {
			head = manFlag(f, true) + ", " + head
		}
		_, usage := pflag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" && f.DefValue != "0s" {
			usage += " (default: " + f.DefValue + ")"
		}
		out = append(out, ".TP\n"+head+"\n"+roffText(usage))
	})
	return strings.Join(out, "\n")
}

func manFindings() string {
	var out []string
	for _, form := range agent.IDForms() {
		var severities []string
		for _, s := range form.Severities {
			severities = append(severities, s.String())
		}
		out = append(out, fmt.Sprintf(".TP\n\\fB%s\\fR (%s)\n%s", roffWord(form.Form), strings.Join(severities, ", "), roffText(form.Meaning)))
	}
	return strings.Join(out, "\n")
}

func manKeys() string {
	var b strings.Builder
	for _, k := range config.Reference() {
		fmt.Fprintf(&b, ".TP\n\\fB%s\\fR (%s)\n%s\n.br\nAllowed: %s.\n", roffWord(k.Name), k.Type, roffText(k.About), roffText(k.Allowed))
		if k.Default != "" {
			fmt.Fprintf(&b, ".br\nDefault: %s.\n", roffText(k.Default))
		}
		fmt.Fprintf(&b, ".br\nExample: \\fB%s\\fR\n", roffWord(k.Example))
	}
	return strings.TrimSpace(b.String())
}

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rsagent/agent"
	"rsagent/agent/config"
)

// TestReadmeIsComplete holds the README to every command, flag, config key
// and family of IDs.
func TestReadmeIsComplete(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(b)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Runnable() && c.Name() != "rsagent" && c.Name() != "help" && !c.HasSubCommands() && !strings.Contains(readme, "`"+c.CommandPath()) {
			t.Errorf("no word about %s", c.CommandPath())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(readme, "--"+f.Name) && f.Name != "output" {
				t.Errorf("no word about --%s of %s", f.Name, c.CommandPath())
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{}).command())
	for _, form := range agent.IDForms() {
		if family, _, _ := strings.Cut(form.Form, "/"); !regexp.MustCompile("(?m)^\\| .*`" + family + "[`/]").MatchString(readme) {
			t.Errorf("no word about the findings %s", form.Form)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^(\w+):`).FindAllStringSubmatch(string(config.Example()), -1) {
		if !strings.Contains(readme, "`"+m[1]) {
			t.Errorf("no word about the config key %s", m[1])
		}
	}
}

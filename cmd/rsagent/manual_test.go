package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rsagent/agent"
	"rsagent/agent/config"
)

// manual returns a page of it.
func manual(t *testing.T, page string) string {
	t.Helper()
	b, err := os.ReadFile("../../packaging/docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestManualIsComplete holds the manual to every command, flag, config key,
// exit code and family of IDs, each in its place. Metrics are held to it in
// package health.
func TestManualIsComplete(t *testing.T) {
	t.Parallel()
	commands := manual(t, "commands.md")
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Runnable() && c.Name() != "rsagent" && c.Name() != "help" && !c.HasSubCommands() && !strings.Contains(commands, "`"+c.CommandPath()) {
			t.Errorf("no word about %s", c.CommandPath())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !regexp.MustCompile("--"+f.Name+`\b`).MatchString(commands) && f.Name != "output" {
				t.Errorf("no word about --%s of %s", f.Name, c.CommandPath())
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{}).command())
	for _, form := range agent.IDForms() {
		if family, _, _ := strings.Cut(form.Form, "/"); !regexp.MustCompile("(?m)^\\| .*`" + family + "[`/]").MatchString(commands) {
			t.Errorf("no word about the findings %s", form.Form)
		}
	}
	for code := range 4 {
		if !strings.Contains(commands, fmt.Sprintf("**%d** ", code)) {
			t.Errorf("no word about exit code %d", code)
		}
	}
	keys := manual(t, "configuration.md")
	for _, m := range regexp.MustCompile(`(?m)^(\w+):`).FindAllStringSubmatch(string(config.Example()), -1) {
		if !strings.Contains(keys, "`"+m[1]) {
			t.Errorf("no word about the config key %s", m[1])
		}
	}
}

// The hashes in README and manual are those of the config that it begins with.
func TestReadmeHashes(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, manual(t, "commands.md")...)
	b = append(b, manual(t, "fleet.md")...)
	cfg, problems := config.Parse("rsagent.yaml", []byte("vips: [172.25.84.100]\ndirectors: [172.25.84.4]\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	hash := cfg.Hash()
	found := regexp.MustCompile(`config ([0-9a-f]{6,})\b`).FindAllSubmatch(b, -1)
	if len(found) < 4 {
		t.Errorf("%q: want those of check and config check, in README and manual", found)
	}
	for _, m := range found {
		if !strings.HasPrefix(hash, string(m[1])) {
			t.Errorf("%s: want %s", m[0], hash)
		}
	}
}

// consulService is what is used of Consul's service definition, under the names of
// its reference (services and checks configuration reference, developer.hashicorp.com/consul/docs).
type consulService struct {
	Service struct {
		Name    string     `json:"name"`
		ID      string     `json:"id"`
		Address netip.Addr `json:"address"`
		Port    uint16     `json:"port"`
		Check   struct {
			Name     string `json:"name"`
			HTTP     string `json:"http"`
			Interval string `json:"interval"`
			Timeout  string `json:"timeout"`
		} `json:"check"`
	} `json:"service"`
}

// TestReadmeForConsul holds the manual's definition to Consul's reference, since
// Debian has no Consul to try it with: no other keys, and values that it takes.
func TestReadmeForConsul(t *testing.T) {
	t.Parallel()
	block, err := docsBlock("Consul")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(block))
	d.DisallowUnknownFields()
	var c consulService
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Errorf("more behind it: %v", err)
	}
	s := c.Service
	if s.Name == "" || s.ID == "" || s.Check.Name == "" || s.Port == 0 {
		t.Errorf("a name, an ID or the port is missing: %+v", s)
	}
	for _, text := range []string{s.Check.Interval, s.Check.Timeout} {
		if d, err := time.ParseDuration(text); err != nil || d <= 0 {
			t.Errorf("%q is no duration", text)
		}
	}
	// The check is for the RIP, as the endpoint refuses requests on a VIP.
	u, err := url.Parse(s.Check.HTTP)
	if err != nil || u.Scheme != "http" || u.Host != s.Address.String()+":9811" {
		t.Errorf("%s: want rsagent's port on %s: %v", s.Check.HTTP, s.Address, err)
	}
	if vip, err := netip.ParseAddr(strings.TrimPrefix(u.Path, "/readyz/")); err != nil || vip == s.Address {
		t.Errorf("path %s: want that of a VIP: %v", u.Path, err)
	}
}

// Every page of the manual is in the rpm, which takes no pattern for it.
func TestManualIsPackaged(t *testing.T) {
	t.Parallel()
	pages, err := os.ReadDir("../../packaging/docs")
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile("../../packaging/nfpm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if !strings.Contains(string(list), "docs/"+p.Name()+",") {
			t.Errorf("nfpm.yaml does not have %s", p.Name())
		}
	}
}

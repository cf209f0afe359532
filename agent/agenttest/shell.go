package agenttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rsagent/agent"
	"rsagent/sysctl"
)

// A Shell is the machine that the test runs on: its commands act on the
// network namespace of the calling thread, which should be a disposable one.
type Shell struct {
	TB testing.TB // fails when the machine cannot be read
	// KeepModule refuses modprobe -r, which takes the tunnels of every network
	// namespace of the machine away.
	KeepModule bool
}

var _ Machine = Shell{}

// Run carries out command lines without a shell in between. The error holds
// what the command complained of.
func (s Shell) Run(script string) error {
	for _, line := range Lines(script) {
		words := strings.Fields(line)
		if s.KeepModule && strings.HasPrefix(line, "modprobe -r") {
			return fmt.Errorf("%s: %w", line, errors.ErrUnsupported)
		}
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// Dump asks ip, and reads /proc/sys. It owes nothing to the code that is under
// test, and loads no module.
func (s Shell) Dump() string {
	s.TB.Helper()
	got := agent.Observed{Sysctls: map[sysctl.Key]int{}}
	_, err := os.Stat("/sys/module/ipip")
	got.Module.Loaded = err == nil
	for _, l := range ask[shellLink](s.TB, "ip", "-j", "-d", "link", "show") {
		got.Links = append(got.Links, l.link())
	}
	for _, d := range ask[shellAddrs](s.TB, "ip", "-j", "-4", "addr", "show") {
		got.Addrs = append(got.Addrs, d.addrs()...)
	}
	s.settings(got.Sysctls)
	return Render(got)
}

// ask decodes the list that a command prints as JSON. ip leaves empty objects
// in it where it has left something out.
func ask[T any](tb testing.TB, command ...string) []T {
	tb.Helper()
	out, err := exec.Command(command[0], command[1:]...).Output()
	if err != nil {
		tb.Fatalf("%s: %v", strings.Join(command, " "), err)
	}
	var list []T
	if err := json.Unmarshal(out, &list); err != nil {
		tb.Fatalf("%s: %v", strings.Join(command, " "), err)
	}
	return list
}

type shellLink struct {
	Index int      `json:"ifindex"`
	Name  string   `json:"ifname"`
	Flags []string `json:"flags"`
	MTU   int      `json:"mtu"`
	Info  struct {
		Kind string `json:"info_kind"`
		Data struct {
			Local    string `json:"local"`
			Remote   string `json:"remote"`
			External bool   `json:"external"`
		} `json:"info_data"`
	} `json:"linkinfo"`
}

func (l shellLink) link() agent.Link {
	out := agent.Link{
		Index: l.Index, Name: l.Name, MTU: l.MTU, Kind: l.Info.Kind,
		Up:  slices.Contains(l.Flags, "UP"),
		ARP: !slices.Contains(l.Flags, "NOARP") && !slices.Contains(l.Flags, "LOOPBACK"),
	}
	if l.Info.Kind == "ipip" {
		out.Local, out.Remote = endpoint(l.Info.Data.Local), endpoint(l.Info.Data.Remote)
		out.External = l.Info.Data.External
	}
	return out
}

type shellAddrs struct {
	Index int `json:"ifindex"`
	List  []struct {
		Local string `json:"local"`
		Bits  int    `json:"prefixlen"`
		Label string `json:"label"`
	} `json:"addr_info"`
}

func (d shellAddrs) addrs() []agent.Addr {
	var out []agent.Addr
	for _, a := range d.List {
		out = append(out, agent.Addr{Index: d.Index, Prefix: netip.PrefixFrom(endpoint(a.Local), a.Bits), Label: a.Label})
	}
	return out
}

func (s Shell) settings(out map[sysctl.Key]int) {
	s.TB.Helper()
	root := filepath.Join(sysctl.DefaultRoot, "net/ipv4/conf")
	scopes, err := os.ReadDir(root)
	if err != nil {
		s.TB.Fatal(err)
	}
	for _, scope := range scopes {
		for _, name := range settings() {
			b, err := os.ReadFile(filepath.Join(root, scope.Name(), name))
			if err != nil {
				s.TB.Fatal(err)
			}
			v, err := strconv.Atoi(strings.TrimSpace(string(b)))
			if err != nil {
				s.TB.Fatal(err)
			}
			out[sysctl.Key{Scope: scope.Name(), Name: name}] = v
		}
	}
}

package config

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rsagent/agent"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// addrs lets cmp compare addresses.
var addrs = cmpopts.EquateComparable(netip.Addr{})

// golden compares got with a file, or rewrites that with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// Every file in testdata/bad has beside it what is said about it, to the
// letter.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files: ", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, problems := Parse("rsagent.yaml", data)
			if len(problems) == 0 {
				t.Fatalf("no problems, but %+v", c)
			}
			if diff := cmp.Diff(Config{}, c, addrs); diff != "" {
				t.Errorf("a config beside problems (-want +got):\n%s", diff)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", problems.Error()+"\n")
		})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	want := Config{
		Desired: agent.Desired{
			Device:    "tunl0",
			VIPs:      []netip.Addr{netip.MustParseAddr("172.25.84.100")},
			AnySender: true,
			Persist:   true,
		},
		Interval: time.Second,
		Probe:    Probe{Interval: 5 * time.Second},
		Health:   Health{Listen: ":9811", Rise: 2, Fall: 1},
		Hook:     Hook{Timeout: 5 * time.Second},
		Log:      Log{Level: "info", Format: "text"},
	}
	got, problems := Parse("rsagent.yaml", []byte("vips: [172.25.84.100]\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff(want, got, addrs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	flags, err := FromVIPs([]string{"172.25.84.100/32"})
	if err != nil {
		t.Fatal(err)
	}
	want.Desired.AnySender = false
	if diff := cmp.Diff(want, flags, addrs); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
}

// full has every key at a value that is not its default; mss has only one.
const full = `
vips:
  - address: 172.25.84.101
    services:
      - {port: 443}
      - {port: 80, http: "/a?b=\"c\"#{d}"}
      - {port: 80}
  - 172.25.84.100/32
directors: [172.25.84.5, 172.25.84.4]
tunnel: {device: "010"}
rp_filter: 2
mode: observe
stray_vips: remove
mss: off
interval: 1m
probe: {interval: 1h}
policy: {tunnel: report, sysctl: report, addresses: report, persist: report}
watch_config: true
allow_empty: true
persist: false
health: {listen: "[::1]:80", agent_check: ":81", rise: 3, fall: 4}
hook: {command: [/usr/local/bin/on-drift, "--to", "a \"b\", c", ""], timeout: 1m}
log: {level: debug, format: json}
`

// Every key has its effect on the Config.
func TestEveryKey(t *testing.T) {
	t.Parallel()
	vip := netip.MustParseAddr("172.25.84.101")
	want := Config{
		Desired: agent.Desired{
			Device:       "010",
			VIPs:         []netip.Addr{netip.MustParseAddr("172.25.84.100"), vip},
			Directors:    []netip.Addr{netip.MustParseAddr("172.25.84.4"), netip.MustParseAddr("172.25.84.5")},
			RPFilter:     2,
			ObserveOnly:  true,
			RemoveStrays: true,
			Policy:       agent.Policy{ReportTunnel: true, ReportSysctl: true, ReportAddresses: true, ReportPersist: true},
		},
		WatchConfig: true, AllowEmpty: true,
		Services: []Service{{vip, 80, ""}, {vip, 80, `/a?b="c"#{d}`}, {vip, 443, ""}},
		Interval: time.Minute,
		Probe:    Probe{Interval: time.Hour},
		Health:   Health{Listen: "[::1]:80", AgentCheck: ":81", Rise: 3, Fall: 4},
		Hook:     Hook{Command: []string{"/usr/local/bin/on-drift", "--to", `a "b", c`, ""}, Timeout: time.Minute},
		Log:      Log{Level: "debug", Format: "json"},
	}
	got, problems := Parse("rsagent.yaml", []byte(full))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff(want, got, addrs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, problems := Parse("rsagent.yaml", got.YAML())
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, got.YAML())
	}
	if diff := cmp.Diff(want, again, addrs); diff != "" {
		t.Errorf("after a round trip (-want +got):\n%s", diff)
	}
}

// The one value of mss changes nothing, as a word and as YAML 1.1 reads it.
func TestMSSOff(t *testing.T) {
	t.Parallel()
	want, _ := Parse("rsagent.yaml", []byte("vips: [172.25.84.100]\n"))
	for _, off := range []string{"off", `"off"`, "false"} {
		got, problems := Parse("rsagent.yaml", []byte("vips: [172.25.84.100]\nmss: "+off+"\n"))
		if len(problems) > 0 {
			t.Errorf("%s: %v", off, problems)
		}
		if diff := cmp.Diff(want, got, addrs); diff != "" {
			t.Errorf("%s: given against absent (-want +got):\n%s", off, diff)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		vips []string
		want string
	}{
		{nil, "--vip: no address given: want at least one"},
		{[]string{"172.25.84.300"},
			"--vip 172.25.84.300: not an IPv4 address: want four numbers 0..255, as in 172.25.84.100"},
		{[]string{"", "172.25.84.1/24", "172.25.84.9", "::1", "172.25.84.9/32"},
			`--vip "": not an IPv4 address: want four numbers 0..255, as in 172.25.84.100
--vip 172.25.84.1/24: a prefix: want one address, 172.25.84.1 or 172.25.84.1/32
--vip ::1: an IPv6 address: IPv6 is not supported yet
--vip 172.25.84.9/32: given twice`},
	} {
		c, err := FromVIPs(test.vips)
		if diff := cmp.Diff(test.want, fmt.Sprint(err)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.vips, diff)
		}
		if diff := cmp.Diff(Config{}, c, addrs); diff != "" {
			t.Errorf("%q: a config beside an error (-want +got):\n%s", test.vips, diff)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	if _, err := Load(dir); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("a directory: got %v", err)
	}
	path := filepath.Join(dir, "rsagent.yaml")
	for _, test := range []struct{ file, want string }{
		{"vips: [172.25.84.100]\n", "<nil>"},
		{"vips: []\n", path + ":1:7: vips: an empty list: want at least one VIP, or allow_empty: true"},
		{"vips: [172.25.84.100]\n" + strings.Repeat("#\n", MaxSize/2),
			path + ":1:1: the file is larger than 1 MiB, the most that is accepted"},
	} {
		if err := os.WriteFile(path, []byte(test.file), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		if diff := cmp.Diff(test.want, fmt.Sprint(err)); diff != "" {
			t.Errorf("%.30q (-want +got):\n%s", test.file, diff)
		}
		if problems, ok := errors.AsType[Problems](err); ok && problems[0].Line != 1 {
			t.Errorf("%.30q: no position: %+v", test.file, problems)
		}
	}
}

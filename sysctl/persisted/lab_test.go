//go:build lab

package persisted

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/sysctl"
)

// The keys that the test looks at, and what they are before a replay: a value
// that no arrangement sets.
var scopes = []string{"all", "default", "tunl0", "eth0.100", "e1"}

const untouched = 77

const namespace = "replays"

// What is said of a replay is what the kernel holds after it, for the two
// programs that this machine has.
func TestAgainstTheRealThing(t *testing.T) {
	if os.Getenv("RSLAB") != "1" {
		t.Fatal("only in a disposable machine: go test -exec 'bin/rslab exec --'")
	}
	shell(t, "ip netns add "+namespace)
	t.Cleanup(func() { shell(t, "ip netns del "+namespace) })
	for _, device := range scopes[2:] {
		shell(t, "ip -n "+namespace+" link add "+device+" type dummy")
	}
	keys, unclear := 0, 0
	for i, files := range arrangements() {
		arrange(t, files)
		s := Read(os.DirFS("/"))
		unclear += compare(t, i, files, s, Procps, "sysctl --system", scopes)
		unclear += compare(t, i, files, s, Systemd, "/lib/systemd/systemd-sysctl", scopes)
		unclear += compare(t, i, files, s, Systemd, "/lib/systemd/systemd-sysctl --prefix=/net/ipv4/conf/eth0.100", []string{"eth0.100"})
		keys += (2*len(scopes) + 1) * len(sysctl.Names)
	}
	t.Logf("%d of %d keys are unclear", unclear, keys)
	if unclear > keys/5 {
		t.Errorf("%d of %d keys are unclear: too much is not told", unclear, keys)
	}
}

// compare holds what is said against what the kernel holds after a command, and
// returns how many keys are said to be unclear.
func compare(t *testing.T, i int, files map[string]string, s Snapshot, r Reader, command string, scopes []string) int {
	t.Helper()
	var want, keys, got []string
	unclear := map[string]bool{}
	var reset, read strings.Builder
	for _, scope := range scopes {
		for _, name := range sysctl.Names {
			k := sysctl.Key{Scope: scope, Name: name}
			keys = append(keys, k.String())
			fmt.Fprintf(&reset, "echo %d >/proc/sys/%s\n", untouched, k.Path())
			fmt.Fprintf(&read, " /proc/sys/%s", k.Path())
			set, ok := s.Program(r).Set(k)
			if !ok {
				set.Value = untouched
			}
			if set.Unclear {
				unclear[k.String()] = true
				continue
			}
			want = append(want, fmt.Sprintf("%s %d", k, set.Value))
		}
	}
	script := reset.String() + command + " >/dev/null 2>&1\ncat" + read.String()
	out, err := exec.Command("ip", "netns", "exec", namespace, "sh", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, value := range strings.Fields(string(out)) {
		if !unclear[keys[i]] {
			got = append(got, keys[i]+" "+value)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arrangement %d, %s (-want +got):\n%s\n%q", i, command, diff, files)
	}
	return len(unclear)
}

func shell(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// arrange makes these the only files. A content of "-> PLACE" is a link.
func arrange(t *testing.T, files map[string]string) {
	t.Helper()
	for _, dir := range Dirs() {
		old, _ := filepath.Glob(dir + "/*")
		err := os.MkdirAll(dir, 0o755)
		for _, name := range old {
			err = errors.Join(err, os.Remove(name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = os.Remove(Classic)
	for name, content := range files {
		var err error
		if to, link := strings.CutPrefix(content, "-> "); link {
			err = os.Symlink(to, name)
		} else {
			err = os.WriteFile(name, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// arrangements are those that somebody has met, and random ones.
func arrangements() []map[string]string {
	const glob = "net.ipv4.conf.*.rp_filter=2\n"
	out := []map[string]string{
		{"/etc/sysctl.d/50-x.conf": all + "=1"},
		{"/etc/sysctl.d/50-x.conf": all + "=1", "/usr/lib/sysctl.d/50-x.conf": all + "=2", "/run/sysctl.d/99-y.conf": tunl0 + "=3"},
		{"/usr/lib/sysctl.d/50-default.conf": "net.ipv4.conf.default.rp_filter=2\n" + glob + "-" + all + "\n"},
		{"/usr/lib/sysctl.d/50-default.conf": glob, "/etc/sysctl.d/50-default.conf": "-> /dev/null"},
		{"/usr/lib/sysctl.d/50-default.conf": glob, "/etc/sysctl.d/50-default.conf": "-> /nowhere"},
		{"/usr/lib/sysctl.d/50-default.conf": glob, "/etc/sysctl.d/50-default.conf": ""},
		{"/etc/sysctl.conf": all + "=1", "/run/sysctl.d/99-z.conf": all + "=0"},
		{"/etc/sysctl.conf": all + "=1", "/etc/sysctl.d/99-sysctl.conf": "-> ../sysctl.conf", "/run/sysctl.d/99-z.conf": all + "=0"},
		{"/etc/sysctl.d/.x.conf": all + "=1", "/etc/sysctl.d/x.conf~": all + "=2", "/etc/sysctl.d/x": all + "=3"},
		{"/run/sysctl.d/99-z.conf": vlan + "=1\nnet.ipv4.conf.eth0.100.rp_filter=3\nnet/ipv4/conf/eth0.100/arp_ignore=1"},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	line := func() string {
		scope := pick("all", "default", "tunl0", "eth0/100", "eth0.100", "e1", "*", "e*", "tunl?", "[!a]*", "e[[:digit:]]", "{all,e1}", "t{unl,}*")
		name := pick("rp_filter", "rp_filter", "arp_ignore", "arp_announce", "arp_*", "rp_filte[r]", "{arp_ignore,rp_f*}")
		text := "net.ipv4.conf." + scope + "." + name
		if rng.IntN(4) == 0 {
			text = pick("", "/", "//") + "net/ipv4/conf/" + scope + "/" + name + pick("", "", "/")
		}
		if rng.IntN(5) == 0 {
			return pick("-", "--", " - ") + text
		}
		value := pick("0", "1", "2", " 3 ", "0x4", "010", "yes", "", "1 # x", "99999999999", "=1", "-1")
		return pick("", "", "", "-", " ", "#") + text + pick("=", " = ") + value
	}
	for range 30 {
		files := map[string]string{}
		for range 1 + rng.IntN(4) {
			name := filepath.Join(Dirs()[rng.IntN(4)], pick("10-a.conf", "50-b.conf", "99-c.conf", ".d.conf"))
			var content strings.Builder
			for range rng.IntN(5) {
				content.WriteString(line() + pick("\n", "\n", "\n\n", "\r\n"))
			}
			files[name] = content.String()
		}
		if rng.IntN(3) == 0 {
			files[Classic] = line() + "\n"
		}
		out = append(out, files)
	}
	return out
}

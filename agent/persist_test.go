package agent_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/sysctl"
)

// hostile are files such as hardening leaves behind.
func hostile() map[string]string {
	return map[string]string{
		"/usr/lib/sysctl.d/50-default.conf": "net.ipv4.conf.default.rp_filter = 2\nnet.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.all.rp_filter\n",
		"/etc/sysctl.d/50-x.conf":           "# CIS 3.3.7\nnet.ipv4.conf.all.rp_filter = 1\nnet.ipv4.conf.eth0.arp_ignore = 3\n",
	}
}

// persisting is a config that keeps sysctl.d in step.
func persisting(name string) agent.Desired {
	want := configs()[name]
	want.Persist = true
	return want
}

// persistFindings returns the findings about replays, as text.
func persistFindings(findings []agent.Finding) []string {
	out := []string{}
	for _, f := range findings {
		if strings.HasPrefix(f.ID(), "persist/") && f.Severity != agent.OK {
			out = append(out, fmt.Sprintf("%s %s: want %s, got %s", f.Severity, f.ID(), f.Want, f.Got))
		}
	}
	return out
}

func has(t *testing.T, findings []agent.Finding, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), persistFindings(findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// What a replay would break is named with its line, by effective values, and
// what our file keeps from counting is no longer a matter.
func TestReplayIsForeseen(t *testing.T) {
	f, s, want := host(t), &agenttest.MemStore{}, persisting("plain")
	f.Files(hostile())
	r, _ := agent.Look(t.Context(), f, s, want)
	has(t, r.After,
		"warning persist/99-zz-rsagent.conf: want net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.eth0.arp_ignore=1 net.ipv4.conf.tunl0.arp_ignore=1 "+
			"net.ipv4.conf.all.arp_announce=2 net.ipv4.conf.tunl0.arp_announce=2 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.tunl0.rp_filter=0, got absent",
		"warning persist/net.ipv4.conf.eth0.arp_ignore: want 1, got 3 from /etc/sysctl.d/50-x.conf:3",
		"warning persist/net.ipv4.conf.all.rp_filter: want 0, got 1 from /etc/sysctl.d/50-x.conf:2",
		"warning persist/net.ipv4.conf.tunl0.rp_filter: want 0, got 2 from /usr/lib/sysctl.d/50-default.conf:2",
	)
	r = pass(t, f, s, want)
	has(t, r.After)
	if again := pass(t, f, s, want); len(again.Done) > 0 {
		t.Errorf("a second pass did %v", again.Done)
	}
}

func TestReplayExplains(t *testing.T) {
	f, want := host(t), configs()["plain"]
	f.Files(hostile())
	r, _ := agent.Look(t.Context(), f, &agenttest.MemStore{}, want)
	why := map[string]string{}
	for _, f := range r.After {
		why[f.ID()] = f.Why
		if strings.HasPrefix(f.ID(), "persist/net.") && f.Fix != nil {
			t.Errorf("%s is not ours to fix: %s", f.ID(), f.Fix)
		}
	}
	const filtered = "strict filtering drops every decapsulated packet, since its way back is not through the tunnel"
	want1 := "at the next replay or boot systemd-sysctl and sysctl --system set net.ipv4.conf.all.rp_filter to 1, and then, as the larger of all (1) and tunl0 (2) counts: " +
		"loose filtering drops clients that this host has no route to. Write net.ipv4.conf.all.rp_filter=0 there, or take the line out."
	if diff := cmp.Diff(want1, why["persist/net.ipv4.conf.all.rp_filter"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := why["persist/net.ipv4.conf.tunl0.rp_filter"]; !strings.Contains(got, "A key of its own is stronger than a pattern: put net.ipv4.conf.tunl0.rp_filter=0 into a file of /etc/sysctl.d.") {
		t.Errorf("a pattern is explained so: %s", got)
	}
	f.Files(map[string]string{"/etc/sysctl.d/1.conf": "net.ipv4.conf.all.rp_filter=1"})
	r, _ = agent.Look(t.Context(), f, &agenttest.MemStore{}, want)
	if text := fmt.Sprint(r.After); !strings.Contains(text, filtered) {
		t.Errorf("strict filtering is not explained:\n%s", text)
	}
}

// A line that is not evaluated is named, and nothing is guessed of it; one that
// is about other keys, or that another line beats, is no matter.
func TestUnclearLines(t *testing.T) {
	f, want := host(t), configs()["plain"]
	f.Files(map[string]string{
		"/etc/sysctl.d/50-x.conf": "net.ipv4.conf.[[:alpha:]]*.rp_filter=1\nnet.ipv4.conf.all.arp_ignore=010\nnet.ipv4.conf.[[:alpha:]]*.forwarding=1\n",
		"/etc/sysctl.d/60-y.conf": "net.ipv4.conf.{all,tunl0}.arp_i*=0\nnet.ipv4.conf.*.rp_filter=0\n",
		"/etc/sysctl.d/70-z.conf": "kernel.{a,b}*=1\n",
	})
	r, _ := agent.Look(t.Context(), f, &agenttest.MemStore{}, want)
	has(t, r.After,
		"warning persist/50-x.conf: want plain patterns and numbers, got could not tell",
		"warning persist/60-y.conf: want plain patterns and numbers, got could not tell")
	text := fmt.Sprint(r.After)
	for _, place := range []string{"cannot evaluate /etc/sysctl.d/50-x.conf:2, so", "cannot evaluate /etc/sysctl.d/60-y.conf:1, so"} {
		if !strings.Contains(text, place) {
			t.Errorf("no word of %q:\n%s", place, text)
		}
	}
}

// Law: a replay breaks what enforcing has put right exactly where a finding
// says so, whatever the files are and whoever replays them.
func TestReplayBreaksWhatIsForeseen(t *testing.T) {
	for seed := range uint64(120) {
		rng := rand.New(rand.NewPCG(seed, 7))
		files := randomFiles(rng)
		for name := range configs() {
			want := persisting(name)
			want.Persist = rng.IntN(2) == 0
			foreseen, broken := playReplays(t, files, want)
			if foreseen != broken {
				t.Fatalf("seed %d, persist %v: foreseen %v, broken %v:\n%q", seed, want.Persist, foreseen, broken, files)
			}
		}
	}
}

func playReplays(t *testing.T, files map[string]string, want agent.Desired) (foreseen, broken bool) {
	for _, command := range []string{"sysctl --system", "/lib/systemd/systemd-sysctl"} {
		f, s := host(t, "ip link add eth0.100 type dummy; modprobe ipip; ip link set dev eth0.100 arp on"), &agenttest.MemStore{}
		f.Files(files)
		r := pass(t, f, s, want)
		foreseen = len(persistFindings(r.After)) > 0
		agenttest.Type(t, f, command)
		after, _ := agent.Look(t.Context(), f, s, want)
		for _, f := range agent.NotOK(after.After) {
			broken = broken || strings.HasPrefix(f.ID(), "sysctl/")
		}
	}
	return foreseen, broken
}

func randomFiles(rng *rand.Rand) map[string]string {
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	out := map[string]string{}
	for range 1 + rng.IntN(3) {
		var lines []string
		for range 1 + rng.IntN(4) {
			key := "net.ipv4.conf." + pick("all", "all", "tunl0", "eth0", "eth0/100", "*", "e*", "default") + "." + pick("arp_ignore", "arp_announce", "rp_filter")
			lines = append(lines, pick(key+"="+pick("0", "1", "2", "3", "8"), key+"="+pick("0", "1", "2", "3", "8"), "-"+key))
		}
		out[pick("/etc/sysctl.d/50-a.conf", "/usr/lib/sysctl.d/50-a.conf", "/usr/lib/sysctl.d/10-b.conf", "/etc/sysctl.d/99-zzz.conf", "/etc/sysctl.conf")] = strings.Join(lines, "\n")
	}
	return out
}

func TestPersistFile(t *testing.T) {
	f, s := host(t), &agenttest.MemStore{}
	f.Files(map[string]string{})
	pass(t, f, s, persisting("three loose"))
	got, _ := f.File(agent.PersistPath)
	want := `# Written by rsagent, which keeps it equal to the settings that it enforces, so
# that a replay of sysctl.d (udev, sysctl --system, systemd-sysctl) does not undo
# them. Changes are overwritten. To be rid of it: persist: false in
# rsagent.yaml; rsagent teardown empties it too.
net.ipv4.conf.all.arp_ignore=1
net.ipv4.conf.tunl0.arp_ignore=1
net.ipv4.conf.all.arp_announce=2
net.ipv4.conf.tunl0.arp_announce=2
net.ipv4.conf.tunl0.rp_filter=2
`
	same(t, want, got, "the file")
	f.Files(map[string]string{agent.PersistPath: "net.ipv4.conf.all.arp_ignore=0\n"})
	pass(t, f, s, persisting("three loose"))
	got, _ = f.File(agent.PersistPath)
	same(t, want, got, "the file, after somebody changed it")
	undo(t, f, s)
	if got, there := f.File(agent.PersistPath); there {
		t.Errorf("after teardown there is\n%s", got)
	}
}

// persist: false takes back what an earlier config left.
func TestPersistOff(t *testing.T) {
	f, s := host(t), &agenttest.MemStore{}
	f.Files(map[string]string{})
	pass(t, f, s, persisting("plain"))
	r := pass(t, f, s, configs()["plain"])
	if got, there := f.File(agent.PersistPath); there || len(r.Done) != 1 {
		t.Errorf("did %v, left %q", r.Done, got)
	}
	has(t, r.After)
}

// In a namespace that is not the host's there is nothing to say and nothing to
// write, and who only looks writes nothing either.
func TestPersistKeepsOut(t *testing.T) {
	f, want := host(t), persisting("plain")
	r := pass(t, f, &agenttest.MemStore{}, want)
	has(t, r.Before)
	f.Files(hostile())
	want.ObserveOnly = true
	if r = pass(t, f, &agenttest.MemStore{}, want); len(r.Done) > 0 || len(persistFindings(r.After)) == 0 {
		t.Errorf("mode observe did %v and found %v", r.Done, persistFindings(r.After))
	}
}

// A file that cannot be written is a warning: no step fails, the VIPs are there.
func TestPersistClosed(t *testing.T) {
	f, s := host(t), &agenttest.MemStore{}
	f.Files(map[string]string{})
	f.Closed("permission denied")
	r := pass(t, f, s, persisting("plain"))
	if r.State() != agent.Warning || !r.Converged() || !strings.Contains(f.Dump(), "172.25.84.100/32 tunl0:rs") {
		t.Errorf("state %s, left to do %v:\n%s", r.State(), r.Plan, f.Dump())
	}
	if got := fmt.Sprint(r.After); !strings.Contains(got, "/run/sysctl.d/99-zz-rsagent.conf cannot be written: permission denied.") {
		t.Errorf("findings %s", got)
	}
}

// Even where it fails only when it is tried, everything else goes on.
func TestPersistFails(t *testing.T) {
	f, s := host(t), &agenttest.MemStore{}
	f.Files(map[string]string{})
	f.Hook(func(a agent.Action) {
		if _, ok := a.(agent.Persist); ok {
			f.Fail(a.String(), errors.New("no space left on device"))
		}
	}, nil)
	r, err := agent.Pass(t.Context(), f, s, persisting("plain"))
	if err != nil || r.State() != agent.Warning || !strings.Contains(f.Dump(), "172.25.84.100/32 tunl0:rs") {
		t.Errorf("state %s, error %v:\n%s", r.State(), err, f.Dump())
	}
}

func TestOpponent(t *testing.T) {
	f, s, want := host(t), &agenttest.MemStore{}, persisting("plain")
	f.Files(hostile())
	pass(t, f, s, want)
	got := observe(t, f, want)
	for key, place := range map[string]string{
		"net.ipv4.conf.all.rp_filter":   "/etc/sysctl.d/50-x.conf:2",
		"net.ipv4.conf.tunl0.rp_filter": "/usr/lib/sysctl.d/50-default.conf:2",
		"net.ipv4.conf.all.arp_ignore":  "",
	} {
		k, v := setting(t, key), 0
		if strings.HasSuffix(key, "ignore") {
			v = 1
		}
		if o, found := got.Opponent(k, v); found != (place != "") || found && o.Place() != place {
			t.Errorf("%s: got %+v, %v, want %q", key, o, found, place)
		}
	}
}

func setting(t *testing.T, key string) sysctl.Key {
	t.Helper()
	k, err := sysctl.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Where policy only reports settings, none is written by way of our file, and
// what it held is taken out.
func TestReportedSettingsAreNotKept(t *testing.T) {
	f, s, want := host(t, "sysctl -w net.ipv4.conf.eth0.arp_ignore=1; sysctl -w net.ipv4.conf.eth0.arp_announce=2"), &agenttest.MemStore{}, persisting("plain")
	f.Files(hostile())
	want.Policy.ReportSysctl = true
	pass(t, f, s, want)
	if content, there := f.File(agent.PersistPath); there {
		t.Errorf("written:\n%s", content)
	}
	want.Policy.ReportSysctl = false
	pass(t, f, s, want)
	if _, there := f.File(agent.PersistPath); !there {
		t.Error("enforced settings are not kept")
	}
	want.Policy.ReportSysctl = true
	pass(t, f, s, want)
	if content, there := f.File(agent.PersistPath); there && strings.Contains(content, "net.") {
		t.Errorf("still there:\n%s", content)
	}
}

package agent_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/sysctl"
	"rsagent/sysctl/persisted"
)

// An audit checks findings for what must hold for all of them.
type audit struct {
	forms []agent.IDForm
	seen  map[string]map[agent.Severity]bool // by form
}

func newAudit() audit { return audit{agent.IDForms(), map[string]map[agent.Severity]bool{}} }

// Law 10: Diff and Plan answer to everything, always the same; an ID stands
// for one thing, and every ID has one of the listed forms, with a severity that
// is listed for it.
func TestDiffIsTotal(t *testing.T) {
	audit := newAudit()
	for seed := range uint64(4000) {
		// Made twice, so that nothing compares equal for being the same.
		want, got := random(seed)
		want2, got2 := random(seed)
		findings := agent.Diff(want, got)
		if diff := cmp.Diff(findings, agent.Diff(want2, got2), plainly()...); diff != "" {
			t.Fatalf("seed %d: Diff differs from itself (-first +second):\n%s", seed, diff)
		}
		checkOrder(t, agent.Actions(agent.Plan(findings)))
		audit.check(t, findings)
		if t.Failed() {
			t.Fatalf("seed %d: want %+v, got %+v", seed, want, got)
		}
	}
	elsewhere := regexp.MustCompile("^(service|probe|kernel|config|contended)") // not said by Diff
	for _, form := range audit.forms {
		for _, s := range form.Severities {
			if !audit.seen[form.Form][s] && !elsewhere.MatchString(form.Form) {
				t.Errorf("%s is never %s in the whole test", form.Form, s)
			}
		}
	}
}

func plainly() []cmp.Option {
	return []cmp.Option{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	}
}

func (a audit) check(t *testing.T, findings []agent.Finding) {
	t.Helper()
	ids := map[string]agent.Finding{}
	for _, f := range findings {
		a.form(t, f)
		if other, ok := ids[f.ID()]; ok && (f.Severity != agent.OK || other.Severity != agent.OK) {
			t.Errorf("two findings with one ID:\n%+v\n%+v", other, f)
		}
		ids[f.ID()] = f
		if f.Severity != agent.OK && (f.Why == "" && f.Row != nil || f.Want == f.Got) {
			t.Errorf("a finding that explains nothing: %+v", f)
		}
	}
}

// form holds a finding to the list of forms.
func (a audit) form(t *testing.T, f agent.Finding) {
	t.Helper()
	var matches []string
	for _, form := range a.forms {
		if !form.Match(f.ID()) {
			continue
		}
		matches = append(matches, form.Form)
		if f.Severity != agent.OK && !slices.Contains(form.Severities, f.Severity) {
			t.Errorf("%s is %s, which is not listed for %s", f.ID(), f.Severity, form.Form)
		}
		if a.seen[form.Form] == nil {
			a.seen[form.Form] = map[agent.Severity]bool{}
		}
		a.seen[form.Form][f.Severity] = true
	}
	if len(matches) != 1 {
		t.Errorf("%s has %d of the listed forms, want one: %v", f.ID(), len(matches), matches)
	}
}

// random makes up a config, and a reading that need not make sense.
func random(seed uint64) (agent.Desired, agent.Observed) {
	r := rand.New(rand.NewPCG(seed, 10))
	pool := vips("172.25.84.100", "172.25.84.101", "172.25.84.2", "10.0.0.1", "127.0.0.42")
	some := func() netip.Addr { return pool[r.IntN(len(pool))] }
	maybe := func() netip.Addr { return append(vips("172.25.84.4"), netip.Addr{}, netip.Addr{}, some())[r.IntN(4)] }
	want := agent.Desired{
		VIPs: pool[r.IntN(3) : 3+r.IntN(2)], RPFilter: r.IntN(3), AnySender: r.IntN(2) == 0, RemoveStrays: r.IntN(2) == 0, Persist: r.IntN(2) == 0,
		Device: []string{"tunl0", "", "eth0"}[r.IntN(3)], Directors: vips("172.25.84.4", "10.0.0.1")[:r.IntN(3)],
	}.Normal()
	got := agent.Observed{
		Module:  agent.Module{Loaded: r.IntN(2) == 0, Obstacle: []string{"", "blacklisted"}[r.IntN(2)]},
		Sysctls: map[sysctl.Key]int{}, Verdicts: map[netip.Addr]agent.Verdict{}, Source: maybe(), Adopted: map[sysctl.Key]bool{},
	}
	for i, name := range []string{"lo", "eth0", "tunl0", "eth0.100", "ipip1"}[:r.IntN(6)] {
		got.Links = append(got.Links, agent.Link{
			Index: i + 1, Name: name, Kind: []string{"", "ipip", "ipip", "dummy"}[r.IntN(4)], Up: r.IntN(2) == 0, ARP: r.IntN(2) == 0,
			MTU: r.IntN(2000), Local: maybe(), Remote: maybe(), External: r.IntN(4) == 0,
		})
	}
	used := map[string]bool{}
	for range r.IntN(8) {
		a := agent.Addr{Index: r.IntN(7), Prefix: netip.PrefixFrom(some(), []int{32, 32, 24, 8}[r.IntN(4)]), Label: []string{"tunl0:rs", "eth0:rs", "tunl0", ""}[r.IntN(4)]}
		if key := fmt.Sprint(a.Index, a.Prefix); !used[key] { // the kernel says EEXIST
			used[key] = true
			got.Addrs = append(got.Addrs, a)
		}
	}
	for _, scope := range []string{"all", "default", "lo", "eth0", "tunl0", "eth0.100", "ipip1"} {
		for _, name := range append([]string{"forwarding"}, sysctl.Names...) {
			key := sysctl.Key{Scope: scope, Name: name}
			switch r.IntN(12) {
			case 0: // not there
			case 1:
				if name != "forwarding" {
					got.Gaps = append(got.Gaps, agent.Gap{Subject: agent.SubjectOf(key), Err: "no"})
				}
			default:
				got.Sysctls[key] = r.IntN(5) - 1
			}
			if r.IntN(3) == 0 {
				got.Adopted[key] = true
			}
		}
	}
	for _, vip := range pool {
		if r.IntN(2) == 0 {
			got.Verdicts[vip] = agent.Verdict{Local: r.IntN(2) == 0, OnLinkOnly: r.IntN(3) == 0, Text: "forwarded"}
		}
	}
	got.Replays, got.Persisted.Beneath = randomReplays(r), randomReplays(r)
	got.Persisted.Known, got.Persisted.Obstacle = r.IntN(2) == 0, []string{"", "closed"}[r.IntN(2)]
	got.Persisted.Content = []string{"", "# x\n", "net.ipv4.conf.all.rp_filter=0\n"}[r.IntN(3)]
	got.Persisted.Unread = []string{"/etc/sysctl.d/50-secret.conf"}[:r.IntN(2)]
	got.Persisted.Unclear = []persisted.Place{{File: "/etc/sysctl.d/60-y.conf", Line: 3}, {File: "/etc/sysctl.d/50-secret.conf", Line: 1}}[:r.IntN(3)]
	for range r.IntN(3) {
		got.Gateways = append(got.Gateways, agent.Gateway{Via: some(), Device: "eth0"})
	}
	return want, got
}

func randomReplays(r *rand.Rand) []agent.Replay {
	var out []agent.Replay
	for range r.IntN(6) {
		out = append(out, agent.Replay{
			Key:   sysctl.Key{Scope: []string{"all", "eth0", "tunl0", "wlan0"}[r.IntN(4)], Name: sysctl.Names[r.IntN(3)]},
			Value: r.IntN(5) - 1, Glob: r.IntN(2) == 0,
			File: []string{"/etc/sysctl.conf", agent.PersistPath}[r.IntN(2)], Line: r.IntN(9),
			Reader: []string{"systemd-sysctl", "sysctl --system"}[r.IntN(2)],
		})
	}
	return out
}

// Whatever a host can be brought into has IDs that are unique, too.
func TestIDsOnTheWalk(t *testing.T) {
	audit := newAudit()
	for seed := range uint64(50) {
		w := newWalker(t, seed+1)
		for range 60 {
			w.tamper()
			r, _ := agent.Look(t.Context(), w.fake, &agenttest.MemStore{}, w.want)
			audit.check(t, r.After)
			if t.Failed() {
				t.Fatalf("seed %d: %+v\n%s", seed+1, w.want, strings.Join(w.log, "\n"))
			}
		}
	}
}

//go:build lab

package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/sysctl"
)

// Tampering that failed is played again with -tamper.seed N.
var (
	tamperSeed  = flag.Uint64("tamper.seed", 1, "tamper with this seed; 0: any")
	tamperSteps = flag.Int("tamper.steps", 100, "how many steps to tamper")
)

// promised is how long the host may take to be in order again: the interval,
// and much for a slow machine.
const promised = 5 * time.Second

// TestTamper does to a host with a running daemon what people and programs do.
// After each step everything is in order again, nothing else has changed, and
// the daemon has not grown.
func TestTamper(t *testing.T) {
	inLab(t)
	seed := *tamperSeed
	if seed == 0 {
		seed = 1 + rand.Uint64N(1<<32)
	}
	v := newVandal(t, seed)
	t.Logf("play it again: -tamper.seed %d -tamper.steps %d", seed, *tamperSteps)
	var early load
	for n := range *tamperSteps {
		v.step()
		if n+1 == min(200, *tamperSteps/2) {
			early = v.load()
		}
		if t.Failed() {
			t.Fatalf("-tamper.seed %d, step %d:\n%s", seed, n, strings.Join(v.log, "\n"))
		}
	}
	v.flat(early, v.load())
	slices.Sort(v.took)
	t.Logf("in order again: p50 %v, p99 %v, max %v, of %d", v.quantile(50), v.quantile(99), v.quantile(100), len(v.took))
}

type vandal struct {
	*realServer
	agenttest.Walk
	last agent.Observed // in order
	log  []string
	took []time.Duration
}

func newVandal(t *testing.T, seed uint64) *vandal {
	if err := os.WriteFile("/etc/sysctl.d/99-hostile.conf", []byte(hostile), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove("/etc/sysctl.d/99-hostile.conf") })
	r := rand.New(rand.NewPCG(seed, 84))
	strays := []string{"report", "remove"}[r.IntN(2)]
	s := newRealServer(t, "vips: [172.25.84.100, 172.25.84.101, 172.25.84.102]\ndirectors: [172.25.84.4]\n"+
		fmt.Sprintf("stray_vips: %s\nrp_filter: %d\n", strays, 2*r.IntN(2))+
		"interval: 200ms\nprobe: {interval: 0}\nhealth: {listen: 127.0.0.1:9811}\n")
	v := &vandal{realServer: s, Walk: agenttest.Walk{Rand: r, VIPs: []string{"172.25.84.100", "172.25.84.101", "172.25.84.102"}}}
	_, v.last = s.look()
	return v
}

// step tampers once or in a burst. Half of the time the daemon is stopped
// meanwhile, so that all it has done can be told from what was done to it.
func (v *vandal) step() {
	v.Helper()
	v.untouched(v.last, v.reading(), nil) // by what the daemon did late
	frozen := v.Rand.IntN(2) == 0
	if frozen {
		v.freeze()
	}
	var names []string
	for range 1 + max(0, v.Rand.IntN(5)-2) {
		names = append(names, v.tamper()...)
	}
	before := v.last
	if frozen {
		before, names = v.reading(), nil
		v.thaw()
	}
	took, got := v.settle(promised)
	v.took = append(v.took, took)
	v.log = append(v.log, fmt.Sprintf("# frozen %v, in order after %v", frozen, took.Round(time.Millisecond)))
	v.log = v.log[max(0, len(v.log)-60):]
	v.untouched(before, got, names)
	v.last = got
}

func (v *vandal) reading() agent.Observed {
	_, got := v.look()
	return got
}

// tamper does something to the host, whether it works or not, and returns the
// words of it.
func (v *vandal) tamper() []string {
	script := v.Step()
	if n := v.Rand.IntN(agenttest.Kinds + len(rough)); n < len(rough) {
		script = rough[n](v)
	}
	for _, line := range agenttest.Lines(script) {
		if err := v.do(line); err != nil {
			line += " # " + err.Error()
		}
		v.log = append(v.log, line)
	}
	return strings.FieldsFunc(script, func(r rune) bool { return strings.ContainsRune(" ;\n.", r) })
}

// do carries out a command. Settings are written without a process for it.
func (v *vandal) do(line string) error {
	assignment, ok := strings.CutPrefix(line, "sysctl -w ")
	if !ok {
		return agenttest.Shell{TB: v.T}.Run(line)
	}
	key, value, _ := strings.Cut(assignment, "=")
	return os.WriteFile("/proc/sys/"+strings.ReplaceAll(key, ".", "/"), []byte(value), 0o644)
}

// rough are the kinds of tampering that a fake has no model of.
var rough = []func(*vandal) string{
	func(*vandal) string { return "modprobe -r ipip; modprobe ipip" },
	func(*vandal) string { return "sysctl -q --system" }, // with the hostile file
	func(*vandal) string { // everything, and what others would put back
		return "ip -4 addr flush up; ip addr add 127.0.0.1/8 dev lo; ip addr add 172.25.84.2/24 dev eth0; ip route add default via 172.25.84.1 dev eth0"
	},
	func(v *vandal) string { return "ip addr add " + v.vip() + " peer 172.25.84.4 dev tunl0" },
	func(v *vandal) string {
		return "ip addr replace " + v.vip() + "/32 dev tunl0 valid_lft 3600 preferred_lft 3600"
	},
	func(v *vandal) string {
		return "ip addr add " + v.vip() + "/24 brd + dev tunl0; ip addr del " + v.vip() + "/32 dev tunl0"
	},
	func(*vandal) string { return "ip link set dev tunl0 mtu 60; ip link set dev tunl0 mtu 1480" },
	func(*vandal) string {
		return "ip link set dev eth0 down; ip link set dev eth0 up; ip route add default via 172.25.84.1 dev eth0"
	},
	(*vandal).everySetting,
	func(v *vandal) string { v.signal(syscall.SIGHUP); return "" },
	func(*vandal) string { // tidy up, or the host fills with strays
		return "ip -4 addr flush dev dum0; ip -4 addr flush dev eth1; ip link del dev ipip1; ip link del dev dum0; ip link del dev eth1"
	},
}

func (v *vandal) vip() string { return v.VIPs[v.Rand.IntN(len(v.VIPs))] }

func (v *vandal) everySetting() string {
	var lines []string
	for _, scope := range []string{"all", "default", "tunl0", "eth0"} {
		for _, name := range sysctl.Names {
			lines = append(lines, fmt.Sprintf("sysctl -w net.ipv4.conf.%s.%s=%d", scope, name, v.Rand.IntN(3)))
		}
	}
	return strings.Join(lines, "\n")
}

// untouched is law 6: what is not ours has not changed, but for what the words
// of a script name.
func (v *vandal) untouched(before, after agent.Observed, words []string) {
	v.Helper()
	// What is written to default goes on to the devices that follow it.
	for _, wide := range []string{"flush", "--system", "modprobe", "all", "default"} {
		if slices.Contains(words, wide) {
			return
		}
	}
	before, after = without(before, words), without(after, words)
	tunnel, _ := after.Tunnel()
	had, has := agenttest.Foreign(v.want, tunnel, before, before), agenttest.Foreign(v.want, tunnel, after, before)
	if diff := cmp.Diff(had, has); diff != "" {
		v.Errorf("what is not ours has changed (-before +after):\n%s", diff)
	}
}

// without leaves out the devices that words name, and what goes with them.
func without(got agent.Observed, words []string) agent.Observed {
	if len(words) == 0 {
		return got
	}
	named := map[string]bool{"tunl0": true, "cilium_tunl": true}
	for _, w := range words {
		named[w] = true
	}
	named["wire1"], named["wire"] = named["eth1"], named["eth0"]
	out := agent.Observed{Sysctls: map[sysctl.Key]int{}}
	for _, l := range got.Links {
		if !named[l.Name] {
			out.Links = append(out.Links, l)
		}
	}
	for _, a := range got.Addrs {
		if slices.ContainsFunc(out.Links, func(l agent.Link) bool { return l.Index == a.Index }) {
			out.Addrs = append(out.Addrs, a)
		}
	}
	for key, value := range got.Sysctls {
		if !named[key.Scope] {
			out.Sysctls[key] = value
		}
	}
	if !named["eth0"] && !named["route"] {
		out.Gateways = got.Gateways
	}
	return out
}

// flat holds the daemon to what it held on to early.
func (v *vandal) flat(early, late load) {
	v.Helper()
	v.Logf("early %+v, late %+v", early, late)
	if late.files != early.files {
		v.Errorf("files open: %d, then %d", early.files, late.files)
	}
	if late.goroutines > early.goroutines+5 {
		v.Errorf("goroutines: %d, then %d", early.goroutines, late.goroutines)
	}
	if late.rss > early.rss+early.rss/4 {
		v.Errorf("resident: %d kB, then %d kB", early.rss, late.rss)
	}
}

func (v *vandal) quantile(percent int) time.Duration {
	return v.took[min(len(v.took)*percent/100, len(v.took)-1)].Round(time.Millisecond)
}

// hostile is what a hardening guide puts on a host.
const hostile = `net.ipv4.conf.all.rp_filter = 1
net.ipv4.conf.default.rp_filter = 1
net.ipv4.conf.*.rp_filter = 1
net.ipv4.conf.all.arp_ignore = 0
net.ipv4.conf.all.arp_announce = 0
`

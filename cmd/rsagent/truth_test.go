//go:build lab

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rsagent/agent/lab"
	"rsagent/health/probe"
)

// A breakage is one thing that can go wrong on a real server, and what rsagent
// probe has to call it.
type breakage struct {
	name, command string
	cause         probe.Cause
}

// breakages are those of which each, by itself or with another, may stop the
// clients' packets. The last one is played on the web server.
var breakages = []breakage{
	{"module gone", "modprobe -r ipip", probe.NoModule},
	{"tunl0 down", "ip link set dev tunl0 down", probe.TunnelDown},
	{"rp_filter via all", "sysctl -qw net.ipv4.conf.all.rp_filter=1", probe.RPFilter},
	{"rp_filter via tunl0", "sysctl -qw net.ipv4.conf.tunl0.rp_filter=1", probe.RPFilter},
	{"VIP missing", "ip addr del 172.25.84.100/32 dev tunl0", probe.VIPMissing},
	{"VIP missing, forwarding", "sysctl -qw net.ipv4.conf.all.forwarding=1; ip addr del 172.25.84.100/32 dev tunl0", probe.Forwarded},
	{"shadowed", "ip link add shadow0 type ipip local 172.25.84.2 remote 172.25.84.4; sysctl -qw net.ipv4.conf.shadow0.rp_filter=1; ip link set shadow0 up", probe.Shadow},
	{"firewall", "nft add table ip truth; nft add chain ip truth in '{ type filter hook input priority 0; }'; nft add rule ip truth in ip protocol 4 drop", probe.Firewall},
	{"nothing listening", "", probe.NothingListening},
}

// mend takes every breakage back but that of the web server.
const mend = `nft delete table ip truth 2>/dev/null
ip link del shadow0 2>/dev/null
sysctl -qw net.ipv4.conf.all.forwarding=0 net.ipv4.conf.all.rp_filter=0
true`

// TestTruth holds readiness to the truth: for every breakage and each pair of
// them it must say what a client sees who asks through a director that sends
// everything here. Where there is one cause, rsagent probe must name it. It
// prints the table. A part of it is played by -run 'TestTruth/^firewall'.
func TestTruth(t *testing.T) {
	inLab(t)
	if out, err := exec.Command("modprobe", "-a", "ipip", "tun").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	tr := newTruth(t)
	tr.row("in order")
	for i, a := range breakages {
		tr.row(a.name, a)
		for _, b := range breakages[i+1:] {
			tr.row(a.name+" + "+b.name, a, b)
		}
	}
	t.Log(tr.table.String())
}

type truth struct {
	*testing.T
	net     *lab.Network
	program string // rsagent
	config  string
	state   string
	web     *http.Server
	table   strings.Builder
}

func newTruth(t *testing.T) *truth {
	n, err := lab.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	dir := t.TempDir()
	tr := &truth{T: t, net: n, config: filepath.Join(dir, "rs.yaml"), state: filepath.Join(dir, "state")}
	text := "vips: [{address: 172.25.84.100, services: [{port: 80, http: /}]}]\n" +
		"directors: [172.25.84.4]\nmode: observe\ninterval: 200ms\nprobe: {interval: 1s}\n"
	if err := os.WriteFile(tr.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	tr.sh(n.Director, "ip addr add 172.25.84.100/32 dev eth0; ipvsadm -A -t 172.25.84.100:80 -s rr; ipvsadm -a -t 172.25.84.100:80 -r 172.25.84.2 -i")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test binary is the program when it has its name; see TestMain.
	tr.program = filepath.Join(dir, "rsagent")
	if err := os.Symlink(self, tr.program); err != nil {
		t.Fatal(err)
	}
	tr.cure()
	if _, err := n.RS1.Start(n.RS1.Command(t.Context(), tr.program, "run", "--config", tr.config, "--state-dir", tr.state)); err != nil {
		t.Fatal(err)
	}
	return tr
}

func (tr *truth) sh(h *lab.Host, script string) {
	tr.Helper()
	if _, err := h.Run(tr.Context(), "sh", "-c", script); err != nil {
		tr.Fatal(err)
	}
}

// cure brings rs1 into service.
func (tr *truth) cure() {
	tr.Helper()
	tr.sh(tr.net.RS1, mend)
	if _, err := tr.net.RS1.Run(tr.Context(), tr.program, "apply", "--vip", lab.VIP, "--state-dir", tr.state+".byhand"); err != nil {
		tr.Fatal(err)
	}
	if tr.web == nil {
		l, err := tr.net.RS1.Listen(":80")
		if err != nil {
			tr.Fatal(err)
		}
		tr.web = &http.Server{Handler: lab.Site(lab.RS1Site), ReadHeaderTimeout: 5 * time.Second}
		go func(s *http.Server) { _ = s.Serve(l) }(tr.web)
	}
}

// row plays breakages at the same time, compares, and mends them again.
func (tr *truth) row(name string, list ...breakage) {
	whole := tr.T
	defer func() { tr.T = whole }()
	whole.Run(name, func(t *testing.T) {
		tr.T = t
		for _, b := range list {
			tr.inflict(b)
		}
		tr.compare(name)
		switch len(list) {
		case 0:
			tr.named("pass")
		case 1:
			tr.named(string(list[0].cause))
		}
		tr.cure()
		tr.compare("cured")
	})
}

func (tr *truth) inflict(b breakage) {
	if b.command == "" {
		_ = tr.web.Close()
		tr.web = nil
		return
	}
	// The second of a pair may find nothing left to break.
	_, _ = tr.net.RS1.Run(tr.Context(), "sh", "-c", b.command)
}

// named holds rsagent probe on rs1 to the cause, or else the outcome, that it
// has to name.
func (tr *truth) named(want string) {
	tr.Helper()
	// It exits with 2 where the path is broken.
	text, _ := tr.net.RS1.Run(tr.Context(), tr.program, "probe", "--config", tr.config, "--state-dir", tr.state, "-o", "json")
	var results []struct{ Cause, Outcome string }
	if err := json.Unmarshal([]byte(text), &results); err != nil || len(results) != 1 {
		tr.Fatalf("rsagent probe: %v: %s", err, text)
	}
	got := cmp.Or(results[0].Cause, results[0].Outcome)
	fmt.Fprintf(&tr.table, "  probe %s", got)
	if got != want {
		fmt.Fprintf(&tr.table, ", FALSE: it is %s", want)
		tr.Errorf("rsagent probe names %q, want %q", got, want)
	}
}

// compare waits until readiness says what is true, and then for it to stay so.
func (tr *truth) compare(state string) {
	tr.Helper()
	served := tr.served()
	var ready bool
	deadline := time.Now().Add(15 * time.Second)
	for same := 0; same < 3; time.Sleep(500 * time.Millisecond) {
		if ready = tr.ready(); ready == served {
			same++
			continue
		}
		same = 0
		if time.Now().After(deadline) {
			break
		}
	}
	if state == "cured" && ready && served {
		return
	}
	verdict := "true"
	if ready != served {
		verdict = "FALSE"
		tr.Errorf("%s: ready is %v, a client is served is %v", state, ready, served)
	}
	fmt.Fprintf(&tr.table, "\n%-50s client %-8s readiness %-10s %s", state, word(served, "served", "nothing"), word(ready, "ready", "not ready"), verdict)
}

func (tr *truth) served() bool {
	for range 2 {
		ctx, cancel := context.WithTimeout(tr.Context(), 1500*time.Millisecond)
		_, err := tr.net.Get(ctx, "http://"+lab.VIP+"/")
		cancel()
		if err == nil {
			return true
		}
	}
	return false
}

func (tr *truth) ready() bool {
	ctx, cancel := context.WithTimeout(tr.Context(), 2*time.Second)
	defer cancel()
	_, err := tr.net.Director.Get(ctx, "http://"+lab.RS1Addr+":9811/readyz")
	return err == nil
}

func word(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

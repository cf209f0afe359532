//go:build lab

package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"rsagent/agent/lab"
)

// TestLab plays scripts in the classic network, built anew for each, on a
// machine that has not loaded ipip yet. In a script the commands rs1, rs2, dir
// and client run a command on that host.
func TestLab(t *testing.T) {
	inLab(t)
	scripts, err := filepath.Glob("testdata/lab/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, script := range scripts {
		name := filepath.Base(script)
		t.Run(name[:len(name)-len(".txtar")], func(t *testing.T) { labScript(t, script) })
	}
}

func labScript(t *testing.T, script string) {
	_ = exec.Command("modprobe", "-r", "ipip").Run()
	n, err := lab.New(t.Context(), lab.WithWebServers())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	cmds := maps.Clone(commands)
	maps.Copy(cmds, networkCommands(t, n))
	testscript.RunT(sequential{t}, testscript.Params{Files: []string{script}, Cmds: cmds, Setup: setup})
}

func networkCommands(t *testing.T, n *lab.Network) map[string]func(*testscript.TestScript, bool, []string) {
	hosts := map[string]*lab.Host{}
	for _, h := range n.Hosts() {
		hosts[h.Name] = h
	}
	return map[string]func(*testscript.TestScript, bool, []string){
		// direct programs the director by hand, with ipvsadm.
		"direct": func(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(n.DirectByHand(t.Context())) },
		// dump HOST FILE writes links, addresses, routes and settings.
		"dump": func(ts *testscript.TestScript, _ bool, args []string) {
			text, err := hosts[args[0]].Dump(t.Context())
			ts.Check(err)
			ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
		},
		// ask HOST STATUS URL [TEXT] makes a request and expects an answer, for
		// up to five seconds.
		"ask": func(ts *testscript.TestScript, _ bool, args []string) {
			if err := ask(t, hosts[args[0]], args[1:]); err != nil {
				ts.Fatalf("%v", err)
			}
		},
		// tally REQUESTS WWW BBS asks the VIP and counts who answered.
		"tally": func(ts *testscript.TestScript, _ bool, args []string) {
			count, err := strconv.Atoi(args[0])
			ts.Check(err)
			got, err := n.Tally(t.Context(), "http://"+lab.VIP+"/", count)
			ts.Check(err)
			if www, bbs := strconv.Itoa(got[lab.RS1Site]), strconv.Itoa(got[lab.RS2Site]); www != args[1] || bbs != args[2] {
				ts.Fatalf("%s answered %s, %s answered %s; want %s and %s", lab.RS1Site, www, lab.RS2Site, bbs, args[1], args[2])
			}
		},
	}
}

func ask(t *testing.T, from *lab.Host, args []string) error {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DialContext: from.Dial, DisableKeepAlives: true}}
	deadline := time.Now().Add(5 * time.Second)
	for {
		got, body, err := answer(t, &client, args[1])
		if err == nil && got == args[0] && (len(args) == 2 || strings.Contains(body, args[2])) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: answer %s %.200q, error %v", args[1], got, body, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func answer(t *testing.T, client *http.Client, url string) (status, body string, err error) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return "", "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return strconv.Itoa(resp.StatusCode), string(b), err
}

// setup gives a script its state directory and a command for each host.
func setup(env *testscript.Env) error {
	bin := filepath.Join(env.WorkDir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	for _, host := range []string{"rs1", "rs2", "dir", "client"} {
		text := fmt.Sprintf("#!/bin/sh\nexec ip netns exec %s \"$@\"\n", host)
		if err := os.WriteFile(filepath.Join(bin, host), []byte(text), 0o755); err != nil {
			return err
		}
	}
	env.Setenv("PATH", bin+":"+env.Getenv("PATH")+":/usr/sbin:/sbin")
	env.Setenv("STATE", env.WorkDir+"/state")
	return nil
}

// inLab keeps the scripts, which load modules and mount things, off a machine
// that somebody needs.
func inLab(t *testing.T) {
	if os.Getenv("RSLAB") != "1" {
		t.Fatal("only in a disposable machine: go test -exec 'bin/rslab exec --'")
	}
}

// sequential makes scripts run one after the other: they share a machine.
type sequential struct{ *testing.T }

func (sequential) Parallel() {}

func (s sequential) Run(name string, f func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { f(sequential{t}) })
}

func (s sequential) Verbose() bool { return testing.Verbose() }

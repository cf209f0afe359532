//go:build lab

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rsagent/agent/lab"
)

// TestReloadUnderLoad adds and removes VIPs beside one on which a client makes
// 200 requests a second through the director. Not one of them is lost.
func TestReloadUnderLoad(t *testing.T) {
	inLab(t)
	r := newReloading(t)
	load := r.burden(200)
	for round := range 5 {
		r.reload("172.25.84.100, 172.25.84.101")
		r.reload("172.25.84.100, 172.25.84.101, 172.25.84.102")
		r.reload("172.25.84.102, 172.25.84.100")
		r.reload("172.25.84.100")
		if round == 2 {
			r.refuse("vips: [172.25.84.300]\ninterval: soon\n", "172.25.84.300", "interval")
		}
	}
	made, lost, slowest := load()
	t.Logf("%d requests, %d lost, the slowest took %v", made, lost, slowest.Round(time.Millisecond))
	if lost > 0 || made == 0 {
		t.Errorf("%d of %d requests were lost", lost, made)
	}
	if !strings.Contains(r.addresses(), "192.0.2.7/32") {
		t.Errorf("an address that is not ours is gone:\n%s", r.addresses())
	}
}

type reloading struct {
	*testing.T
	net    *lab.Network
	config string
	agent  *lab.Daemon
}

func newReloading(t *testing.T) *reloading {
	t.Helper()
	if out, err := exec.Command("modprobe", "ipip").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	n, err := lab.New(t.Context(), lab.WithWebServers())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	dir := t.TempDir()
	program := filepath.Join(dir, "rsagent")
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, program)
	}
	if err == nil {
		err = n.DirectByHand(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &reloading{T: t, net: n, config: filepath.Join(dir, "rs.yaml")}
	r.write("172.25.84.100")
	if _, err := n.RS2.Run(t.Context(), program, "apply", "--vip", lab.VIP, "--state-dir", dir+"/2"); err != nil {
		t.Fatal(err)
	}
	if r.agent, err = n.RS1.Start(n.RS1.Command(t.Context(), program, "run", "--config", r.config, "--state-dir", dir+"/1")); err != nil {
		t.Fatal(err)
	}
	r.expect("172.25.84.100")
	if _, err := n.RS1.Run(t.Context(), "ip", "addr", "add", "192.0.2.7/32", "dev", "tunl0"); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *reloading) write(vips string) {
	r.Helper()
	text := "vips: [" + vips + "]\ndirectors: [172.25.84.4]\ninterval: 1h\nprobe: {interval: 0}\n"
	if err := os.WriteFile(r.config, []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
}

// reload gives the daemon other VIPs, and waits until they are in place.
func (r *reloading) reload(vips string) {
	r.Helper()
	r.write(vips)
	_ = r.agent.Signal(syscall.SIGHUP)
	r.expect(vips)
}

// expect waits until the labelled addresses are these.
func (r *reloading) expect(vips string) {
	r.Helper()
	want := map[string]bool{}
	for _, vip := range strings.Split(vips, ", ") {
		want[vip+"/32 scope global tunl0:rs"] = true
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		have, right := r.addresses(), true
		for v := range want {
			right = right && strings.Contains(have, v)
		}
		if right && strings.Count(have, "tunl0:rs") == len(want) {
			return
		}
		if time.Now().After(deadline) {
			r.Fatalf("want %s, got\n%s\n%s", vips, have, r.agent.Output())
		}
	}
}

func (r *reloading) addresses() string {
	out, _ := r.net.RS1.Run(r.Context(), "ip", "-4", "addr", "show", "dev", "tunl0")
	return out
}

// refuse gives the daemon a config that it must not take, and expects it to
// complain of everything in it and to change nothing.
func (r *reloading) refuse(text string, complaints ...string) {
	r.Helper()
	before, said := r.addresses(), len(r.agent.Output())
	if err := os.WriteFile(r.config, []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
	_ = r.agent.Signal(syscall.SIGHUP)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(r.agent.Output()[said:], "config rejected"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("not refused:\n%s", r.agent.Output())
		}
	}
	for _, c := range complaints {
		if !strings.Contains(r.agent.Output()[said:], c) {
			r.Errorf("refused without a word about %s:\n%s", c, r.agent.Output()[said:])
		}
	}
	if after := r.addresses(); after != before {
		r.Errorf("refused, but changed:\n%s\n%s", before, after)
	}
}

// burden makes requests from the client, so many a second, until the function
// that it returns is called, which tells what became of them.
func (r *reloading) burden(rate int) (end func() (made, lost int, slowest time.Duration)) {
	const clients = 16
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var made, lost, slowest atomic.Int64
	for range clients {
		wg.Go(func() {
			// Connections are made on this goroutine, since it is in the namespace.
			_ = r.net.Client.Do(func() error {
				tick := time.NewTicker(clients * time.Second / time.Duration(rate))
				defer tick.Stop()
				for {
					select {
					case <-stop:
						return nil
					case <-tick.C:
					}
					begin := time.Now()
					if err := request(lab.VIP + ":80"); err != nil {
						lost.Add(1)
						r.Error(err)
					}
					made.Add(1)
					slowest.Store(max(slowest.Load(), int64(time.Since(begin))))
				}
			})
		})
	}
	begin := time.Now()
	return func() (int, int, time.Duration) {
		close(stop)
		wg.Wait()
		r.Logf("%.0f requests a second", float64(made.Load())/time.Since(begin).Seconds())
		return int(made.Load()), int(lost.Load()), time.Duration(slowest.Load())
	}
}

func request(address string) error {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\nHost: www\r\n\r\n"); err != nil {
		return err
	}
	b, err := io.ReadAll(conn)
	if err == nil && !strings.HasPrefix(string(b), "HTTP/1.0 200") {
		err = fmt.Errorf("%s: answer %.40q", address, b)
	}
	return err
}

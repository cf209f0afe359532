//go:build lab

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rsagent/agent/agenttest"
)

const oneVIP = "vips: [172.25.84.100]\ndirectors: [172.25.84.4]\nprobe: {interval: 0}\nhealth: {listen: 127.0.0.1:9811}\n"

// foe sets the tunnel's rp_filter a hundred times a second, until it is killed.
const foe = `$0 = "foe"; while (1) {
	open(F, ">", "/proc/sys/net/ipv4/conf/tunl0/rp_filter") or die; print F "1"; close F;
	select(undef, undef, undef, 0.01);
}`

// TestFight plays somebody who undoes a setting again and again. The fight is
// called one, is cheap, and ends when the other stops.
func TestFight(t *testing.T) {
	const lasting, share = 20 * time.Second, 10
	s := newRealServer(t, oneVIP+"interval: 1s\n")
	idle := s.idle(lasting)
	other := exec.Command("perl", "-e", foe)
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	begin, mine := time.Now(), cpu(t, s.cmd.Process.Pid)
	called := time.Duration(0)
	for time.Since(begin) < lasting {
		time.Sleep(time.Second)
		if called == 0 && s.contended() {
			called = time.Since(begin)
		}
	}
	fought := time.Since(begin)
	mine, others := cpu(t, s.cmd.Process.Pid)-mine, cpu(t, other.Process.Pid)
	_ = other.Process.Kill()
	_ = other.Wait()
	t.Logf("%v: the daemon used %.1f%% of a core, without a fight %.1f%%; the other %.1f%%",
		fought.Round(time.Millisecond), percent(mine, fought), percent(idle, lasting), percent(others, fought))
	if called == 0 {
		t.Errorf("it is not called contended:\n%s", s.get("/status"))
	}
	if mine-idle > fought/share {
		t.Errorf("the fight cost %v of processor time in %v", mine-idle, fought)
	}
	took, _ := s.settle(10 * time.Second)
	t.Logf("called contended after %v, in order %v after its end", called.Round(time.Second), took.Round(time.Millisecond))
	if drift := s.get("/drift"); !strings.Contains(drift, "foe[") {
		t.Errorf("the ledger does not name the other:\n%s", drift)
	}
	s.eventually(time.Minute, func() bool { return !s.contended() }, "still contended")
	s.settle(0)
}

// idle returns the processor time that the daemon uses while nothing happens
// but that it is asked how things are.
func (s *realServer) idle(lasting time.Duration) time.Duration {
	s.Helper()
	before := cpu(s.T, s.cmd.Process.Pid)
	for begin := time.Now(); time.Since(begin) < lasting; time.Sleep(time.Second) {
		if s.contended() {
			s.Fatal("contended before there is a fight")
		}
	}
	return cpu(s.T, s.cmd.Process.Pid) - before
}

// contended reports whether the daemon calls the tunnel's rp_filter contended
// now. The ledger behind the findings goes on telling of it.
func (s *realServer) contended() bool {
	s.Helper()
	_, body, _ := strings.Cut(s.get("/status"), "\r\n\r\n")
	var status struct{ Findings []struct{ ID string } }
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		s.Fatal(err)
	}
	for _, f := range status.Findings {
		if f.ID == "contended/sysctl/net.ipv4.conf.tunl0.rp_filter" {
			return true
		}
	}
	return false
}

func percent(part, whole time.Duration) float64 { return 100 * float64(part) / float64(whole) }

// eventually waits until something is so.
func (s *realServer) eventually(limit time.Duration, so func() bool, otherwise string) {
	s.Helper()
	for deadline := time.Now().Add(limit); !so(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("%s after %v", otherwise, limit)
		}
	}
}

// TestLostNews stops the daemon while so much happens that the kernel cannot
// keep it all for it, and undoes its work meanwhile. Nothing but the loss can
// tell the daemon: its interval is an hour.
func TestLostNews(t *testing.T) {
	s := newRealServer(t, oneVIP+"interval: 1h\n")
	agenttest.Type(t, agenttest.Shell{TB: t}, "ip link add dum9 type dummy; ip link set dev dum9 up")
	s.eventually(10*time.Second, s.heard, "news are waiting")
	for range 3 {
		s.freeze()
		churn(t, 10_000, 0)()
		agenttest.Type(t, agenttest.Shell{TB: t}, "ip addr del 172.25.84.100/32 dev tunl0; sysctl -q -w net.ipv4.conf.all.rp_filter=1")
		s.thaw()
		took, _ := s.settle(20 * time.Second)
		t.Logf("in order again after %v", took.Round(time.Millisecond))
	}
	if s.drops() == 0 {
		t.Errorf("nothing was lost:\n%s", netlinkSockets(t))
	}
	// What is announced is heard again.
	s.eventually(10*time.Second, s.heard, "news are waiting")
	agenttest.Type(t, agenttest.Shell{TB: t}, "ip addr del 172.25.84.100/32 dev tunl0")
	s.settle(promised)
}

// churn adds and deletes an address of a foreign device so many times, a
// tenth of a rate each tenth of a second if it is not 0. It returns a function
// that waits for the end and tells the processor time that ip has used.
func churn(t *testing.T, times, rate int) (wait func() time.Duration) {
	t.Helper()
	c := exec.Command("ip", "-batch", "-")
	in, err := c.StdinPipe()
	if err == nil {
		err = c.Start() // on this goroutine, which is in the namespace
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		begin := time.Now()
		for n := range times {
			fmt.Fprintf(in, "addr add 10.9.9.9/32 dev dum9\naddr del 10.9.9.9/32 dev dum9\n")
			if rate > 0 && n%(rate/10) == rate/10-1 {
				time.Sleep(time.Until(begin.Add(time.Duration(n+1) * time.Second / time.Duration(rate))))
			}
		}
		_ = in.Close()
		ended <- c.Wait()
	}()
	return func() time.Duration {
		if err := <-ended; err != nil {
			t.Error(err)
		}
		return c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
}

// netlinkSockets is the kernel's table of this namespace: sk Eth Pid Groups
// Rmem Wmem Dump Locks Drops Inode.
func netlinkSockets(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/net/netlink")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sums returns the sum of a column over those who have subscribed to news.
func (s *realServer) sums(column int) int {
	sum := 0
	for _, line := range strings.Split(netlinkSockets(s.T), "\n") {
		if f := strings.Fields(line); len(f) > 9 && f[1] == "0" && f[3] != "00000000" {
			n := 0
			_, _ = fmt.Sscan(f[column], &n)
			sum += n
		}
	}
	return sum
}

func (s *realServer) drops() int  { return s.sums(8) }
func (s *realServer) heard() bool { return s.sums(4) == 0 }

// TestNewsStorm plays changes of a foreign device, ten thousand events a second
// where the machine is that fast. They do not keep the daemon from its work, and
// hearing of them costs it not much more than making them.
func TestNewsStorm(t *testing.T) {
	const rate = 2500 // an address comes and goes, and its route
	s := newRealServer(t, oneVIP+"interval: 1s\n")
	agenttest.Type(t, agenttest.Shell{TB: t}, "ip link add dum9 type dummy; ip link set dev dum9 up")
	begin, before := time.Now(), cpu(t, s.cmd.Process.Pid)
	wait := churn(t, 5*rate, rate)
	time.Sleep(2 * time.Second)
	agenttest.Type(t, agenttest.Shell{TB: t}, "ip addr del 172.25.84.100/32 dev tunl0")
	took, _ := s.settle(10 * time.Second)
	theirs := wait()
	stormed := time.Since(begin)
	used := cpu(t, s.cmd.Process.Pid) - before
	t.Logf("%d events in %v: the daemon used %.1f%% of a core, ip %.1f%%; a VIP deleted meanwhile was back after %v", 20*rate,
		stormed.Round(time.Millisecond), percent(used, stormed), percent(theirs, stormed), took.Round(time.Millisecond))
	if used > 2*theirs {
		t.Errorf("the storm cost %v of processor time, and making it %v", used, theirs)
	}
	s.settle(promised)
}

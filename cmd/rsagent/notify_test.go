package main

import (
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// listen stands in for systemd, and returns what was said since the last call.
func listen(t *testing.T) (said func() []string) {
	t.Helper()
	path := t.TempDir() + "/notify"
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() (out []string) {
		tell("end")
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				t.Fatal(err)
			}
			if string(buffer[:n]) == "end" {
				return out
			}
			out = append(out, string(buffer[:n]))
		}
	}
}

func TestReadyOnceAndOnlyWithAVerifiedPass(t *testing.T) {
	said := listen(t)
	n := newNotifier()
	worse := []agent.Finding{{Subject: agenttest.Subject("link/tunl0"), Severity: agent.Critical}}
	n.pass(agent.Report{}, errors.New("state: read-only file system\nand more"))
	n.pass(agent.Report{}, nil)
	n.pass(agent.Report{}, nil)
	n.pass(agent.Report{After: worse}, nil)
	n.pass(agent.Report{After: worse}, nil)
	n.pass(agent.Report{}, nil)
	n.stopping()
	inOrder := "STATUS=" + summary(nil) + "\nWATCHDOG=1"
	want := []string{
		"STATUS=cannot repair: state: read-only file system\nWATCHDOG=1",
		inOrder + "\nREADY=1",
		"STATUS=1 critical\nWATCHDOG=1",
		inOrder,
		"STOPPING=1",
	}
	if diff := cmp.Diff(want, said()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// However often passes come, the watchdog is fed in time, and not much more often.
func TestTheWatchdogIsFedInTime(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	for _, interval := range []time.Duration{100 * time.Millisecond, time.Second, 7 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			n := &notifier{watchdog: 30 * time.Second}
			pace := n.pace(agent.Order{Interval: interval}).Interval
			start, times := time.Now(), 0
			for time.Since(start) < time.Hour {
				before := n.at
				n.pass(agent.Report{}, nil)
				if n.at != before {
					times++
				}
				time.Sleep(pace)
				if hungry := time.Since(n.at); hungry >= n.watchdog {
					t.Fatalf("interval %v: not fed for %v", interval, hungry)
				}
			}
			if most := int(time.Hour / (n.watchdog / 4)); times > most {
				t.Errorf("interval %v: fed %d times, want %d at most", interval, times, most)
			}
		})
	}
}

func TestReloading(t *testing.T) {
	said := listen(t)
	n := newNotifier()
	n.reloading()
	n.reloaded()
	if got := said(); len(got) > 0 {
		t.Errorf("a reload before the first verified pass said %q", got)
	}
	n.pass(agent.Report{}, nil)
	said()
	n.reloading()
	n.reloaded()
	got := said()
	if len(got) != 2 || !strings.HasPrefix(got[0], "RELOADING=1\nMONOTONIC_USEC=") || got[1] != "READY=1" {
		t.Errorf("a reload said %q", got)
	}
}

func TestPaceFeedsTheWatchdog(t *testing.T) {
	for _, c := range []struct {
		usec           string
		interval, want time.Duration
	}{
		{"", time.Hour, time.Hour},
		{"30000000", time.Hour, 15 * time.Second},
		{"30000000", time.Second, time.Second},
		{"soon", time.Hour, time.Hour},
	} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		if got := newNotifier().pace(agent.Order{Interval: c.interval}).Interval; got != c.want {
			t.Errorf("WATCHDOG_USEC=%s: an interval of %s became %s, want %s", c.usec, c.interval, got, c.want)
		}
	}
}

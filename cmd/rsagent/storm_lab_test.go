//go:build lab

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rsagent/agent/lab"
	"rsagent/health"
)

const (
	stormClients   = 50
	stormDeletions = 20 // in calm, and as many again in the storm
)

var stormVIPs = [...]string{"172.25.84.100", "172.25.84.101"}

// TestStorm deletes VIPs while 50 clients ask for readiness as fast as they
// can: every deletion is repaired and counted once, and nobody gets anything
// but the two answers of the contract. How long the repairs took is logged.
func TestStorm(t *testing.T) {
	inLab(t)
	n, err := lab.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	s := storm{T: t, rs1: n.RS1, times: new([len(stormVIPs)]int)}
	s.serve()
	calm := s.deletions()
	clients := s.clients(n.Director)
	windy := s.deletions()
	asked := clients()
	t.Logf("p50 of a repair, as the kernel announced it: %v without clients, %v with %d (%d requests)", middle(calm), middle(windy), stormClients, asked)
	if asked == 0 {
		t.Error("no client got an answer")
	}
	for i, vip := range stormVIPs {
		if got, _ := s.counted(vip); got != s.times[i] {
			t.Errorf("%s came up %d times in the ledger, want %d", vip, got, s.times[i])
		}
	}
}

type storm struct {
	*testing.T
	rs1   *lab.Host
	times *[len(stormVIPs)]int // how often each VIP was away, as the ledger has to count it
}

// serve runs the daemon on rs1, until it is ready.
func (s storm) serve() {
	dir := s.TempDir()
	self, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	program, config := filepath.Join(dir, "rsagent"), filepath.Join(dir, "rs.yaml")
	if err := os.Symlink(self, program); err != nil {
		s.Fatal(err)
	}
	// By the interval nothing is found in this hour: each repair answers an event.
	text := "vips: [172.25.84.100, 172.25.84.101]\ndirectors: [172.25.84.4]\ninterval: 1h\nprobe: {interval: 0}\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		s.Fatal(err)
	}
	if out, err := exec.Command("modprobe", "ipip").CombinedOutput(); err != nil {
		s.Fatalf("%v %s", err, out)
	}
	if _, err := s.rs1.Start(s.rs1.Command(s.Context(), program, "run", "--config", config, "--state-dir", filepath.Join(dir, "state"))); err != nil {
		s.Fatal(err)
	}
	if err := ask(s.T, s.rs1, []string{"200", "http://" + lab.RS1Addr + ":9811/readyz"}); err != nil {
		s.Fatal(err)
	}
	for i := range s.times {
		s.times[i] = 1 // the host had no VIP yet
	}
}

// deletions deletes the VIPs in turn, each time when the repair of the last one
// has been counted, and returns how long each was gone.
func (s storm) deletions() []time.Duration {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 2*time.Minute)
	defer cancel()
	events := s.monitor(ctx)
	var out []time.Duration
	for i := range stormDeletions {
		which := i % len(stormVIPs)
		vip := stormVIPs[which]
		if _, err := s.rs1.Run(ctx, "ip", "addr", "del", vip+"/32", "dev", "tunl0"); err != nil {
			s.Fatal(err)
		}
		gone := s.announced(events, "Deleted ", vip)
		out = append(out, s.announced(events, "", vip).Sub(gone))
		s.times[which]++
		for {
			if times, repaired := s.counted(vip); times >= s.times[which] && repaired {
				break
			}
			if ctx.Err() != nil {
				s.Fatalf("the repair of %s was not counted: %v", vip, ctx.Err())
			}
		}
	}
	return out
}

// monitor returns what the kernel announces of rs1's addresses, until ctx ends.
func (s storm) monitor(ctx context.Context) *bufio.Scanner {
	s.Helper()
	command := s.rs1.Command(ctx, "ip", "-ts", "-o", "-4", "monitor", "address")
	lines, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		s.Fatal(err)
	}
	context.AfterFunc(ctx, func() { _ = command.Wait() })
	events := bufio.NewScanner(lines)
	s.hears(events)
	return events
}

// hears returns when the monitor listens, which it does not say.
func (s storm) hears(events *bufio.Scanner) {
	s.Helper()
	done := make(chan struct{})
	go func() {
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			_, _ = s.rs1.Run(s.Context(), "sh", "-c", "ip addr add 192.0.2.1/32 dev lo; ip addr del 192.0.2.1/32 dev lo")
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	s.announced(events, "", "192.0.2.1")
	close(done)
}

// announced reads up to the announcement of an address that came or was
// deleted, and returns its time.
func (s storm) announced(events *bufio.Scanner, what, address string) time.Time {
	s.Helper()
	for events.Scan() {
		stamp, event, _ := strings.Cut(strings.TrimPrefix(events.Text(), "["), "] ")
		if !strings.Contains(event, "inet "+address+"/32 ") || strings.HasPrefix(event, "Deleted ") != (what != "") {
			continue
		}
		at, err := time.Parse("2006-01-02T15:04:05.999999", stamp)
		if err != nil {
			s.Fatal(err)
		}
		return at
	}
	s.Fatalf("%s%s was never announced: %v", what, address, events.Err())
	return time.Time{}
}

// clients asks from a host until the function that it returns is called, which
// returns how many answers there were.
func (s storm) clients(from *lab.Host) (stop func() int64) {
	ctx, cancel := context.WithCancel(s.Context())
	var asked atomic.Int64
	var running sync.WaitGroup
	for range stormClients {
		running.Go(func() {
			if err := keepAsking(ctx, from, &asked); err != nil {
				s.Error(err)
			}
		})
	}
	return func() int64 {
		cancel()
		running.Wait()
		return asked.Load()
	}
}

// keepAsking asks over one connection until ctx ends, and returns the first
// answer that is none of the contract's.
func keepAsking(ctx context.Context, from *lab.Host, asked *atomic.Int64) error {
	conn, err := from.Dial(ctx, "tcp", lab.RS1Addr+":9811")
	if err != nil {
		return err
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for ctx.Err() == nil {
		if err := askOnce(conn, reader); err != nil {
			return err
		}
		asked.Add(1)
	}
	return nil
}

func askOnce(conn net.Conn, reader *bufio.Reader) error {
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, "GET /readyz HTTP/1.1\r\nHost: rs1\r\n\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if got := fmt.Sprintf("%d %s", answer.StatusCode, body); got != "200 ok\n" && got != "503 not ready\n" {
		return fmt.Errorf("answer %q", got)
	}
	return nil
}

// counted returns how often the ledger says that a VIP was away, and whether it
// is back.
func (s storm) counted(vip string) (times int, repaired bool) {
	s.Helper()
	text, err := s.rs1.Get(s.Context(), "http://"+lab.RS1Addr+":9811/drift")
	if err != nil {
		s.Fatal(err)
	}
	var ledger struct{ Drifts []health.Drift }
	if err := json.Unmarshal([]byte(text), &ledger); err != nil {
		s.Fatal(err)
	}
	i := slices.IndexFunc(ledger.Drifts, func(d health.Drift) bool { return d.ID == "addr/tunl0/"+vip })
	if i < 0 {
		s.Fatalf("%s is not in the ledger: %s", vip, text)
	}
	return ledger.Drifts[i].Times, !ledger.Drifts[i].Open()
}

func middle(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2].Round(10 * time.Microsecond)
}

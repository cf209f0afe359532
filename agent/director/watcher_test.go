package director

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	get1 = "GET http://172.25.84.2:9811/readyz/172.25.84.100: "
	get2 = "GET http://172.25.84.3:9811/readyz/172.25.84.100: "
)

func TestWatcherTakesOutAndPutsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, WatcherOptions{}, 1, 3)
		w.after(10*time.Second, 1, 3)
		w.says()
		w.status(rs1, 503)
		w.after(1001*time.Millisecond, 0, 3)
		w.says("172.25.84.2: weight 0: " + get1 + "503 Service Unavailable")
		w.status(rs1, 200)
		w.after(1000*time.Millisecond, 0, 3) // once is not enough
		w.after(1001*time.Millisecond, 1, 3)
		w.says("172.25.84.2: weight 1: ready")
		w.stop()
		want := []string{
			"ipvsadm -e -t 172.25.84.100:80 -r 172.25.84.2:80 -i -w 0 --tun-type ipip",
			"ipvsadm -e -t 172.25.84.100:80 -r 172.25.84.2:80 -i -w 1 --tun-type ipip",
		}
		if diff := cmp.Diff(want, w.table.log); diff != "" {
			t.Errorf("commands (-want +got):\n%s", diff)
		}
	})
}

// When nobody is ready, nobody stays in.
func TestWatcherAllDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, WatcherOptions{}, 1, 3)
		w.status(rs1, 0)
		w.after(time.Second, 0, 3)
		w.status(rs2, -1)
		w.after(3001*time.Millisecond, 0, 0) // an interval and a timeout at most
		w.says("172.25.84.2: weight 0: "+get1+"dial tcp: connect: connection refused",
			"172.25.84.3: weight 0: "+get2+"no answer within 2s; no server left")
		w.after(time.Hour, 0, 0)
		w.says()
		w.status(rs2, 200)
		w.after(5*time.Second, 0, 3)
		w.status(rs1, 200)
		w.after(3*time.Second, 1, 3)
		w.says("172.25.84.3: weight 3: ready", "172.25.84.2: weight 1: ready")
		w.stop()
	})
}

// The end of the watch is no news about anybody, not even when it interrupts a question.
func TestWatcherEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, WatcherOptions{}, 1, 3)
		w.after(time.Second, 1, 3)
		w.set(rs1, func(h *fakeHost) { h.delay = 1900 * time.Millisecond })
		w.after(1500*time.Millisecond, 1, 3) // in the middle of it
		w.stop()
		w.after(time.Minute, 1, 3)
		w.says()

		w.status(rs1, 503)
		w.set(rs1, func(h *fakeHost) { h.delay = 0 })
		w.start(WatcherOptions{Dial: w.dial})
		w.after(time.Second, 0, 3)
		w.stop()
		w.after(time.Minute, 0, 3)
	})
}

// Before the first answer a weight stays; then 0 in the table counts as out, and anything else as in.
func TestWatcherAdopts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, WatcherOptions{Interval: 10 * time.Second}, 0, 7)
		w.after(0, 0, 7)
		w.after(10*time.Second, 0, 3)
		w.after(10*time.Second, 1, 3)
		w.says("172.25.84.3: weight 3: ready", "172.25.84.2: weight 1: ready")
		w.stop()

		// A weight that is not the configured one is no reason to raise it for a server that does not answer.
		ok(t, w.director.SetWeight(web("rr"), rs2, 1))
		w.status(rs2, 0)
		w.start(WatcherOptions{Fall: 3, Dial: w.dial})
		w.after(2*time.Second, 1, 1)
		w.after(time.Second, 1, 0)
		w.stop()
	})
}

// What cannot be written is tried again every round, and told once.
func TestWatcherTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, WatcherOptions{}, 1, 3)
		w.after(2*time.Second, 1, 3)
		ok(t, w.director.RemoveRealServer(web("rr"), rs1))
		w.status(rs1, 503)
		time.Sleep(time.Minute)
		w.says("172.25.84.2: weight 0: " + get1 + "503 Service Unavailable: " +
			"service TCP 172.25.84.100:80: real server 172.25.84.2: not in the IPVS table")
		ok(t, w.director.AddRealServer(web("rr"), RealServer{RIP: rs1, Weight: 1}))
		w.after(time.Second, 0, 3)
		w.says("172.25.84.2: weight 0: " + get1 + "503 Service Unavailable")
		w.stop()
	})
}

// A director that has run out of descriptors takes nobody out, and says so once.
func TestWatcherCouldNotAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, WatcherOptions{}, 1, 3)
		w.after(2*time.Second, 1, 3)
		for _, rip := range []netip.Addr{rs1, rs2} {
			w.set(rip, func(h *fakeHost) { h.fault = syscall.EMFILE })
		}
		w.after(time.Minute, 1, 3)
		if len(w.told) != 2 || !strings.Contains(w.told[0], "could not ask: ") || !strings.Contains(w.told[0], "too many open files") {
			t.Errorf("want one line for each server, got %q", w.told)
		}
		w.told = nil
		w.status(rs1, 200)
		w.status(rs2, 503)
		w.after(time.Second, 1, 0)
		w.says("172.25.84.3: weight 0: " + get2 + "503 Service Unavailable")
		w.stop()
	})
}

// A real server has one question at a time, however slow it is, and its slowness is its own.
func TestWatcherAsksOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, WatcherOptions{Timeout: 30 * time.Second}, 1, 3)
		w.set(rs1, func(h *fakeHost) { h.delay = 10 * time.Second })
		w.after(101*time.Second, 1, 3)
		w.stop()
		time.Sleep(10 * time.Second) // until the slow one has finished
		slow, quick := w.hosts[rs1.String()], w.hosts[rs2.String()]
		if slow.most != 1 || quick.most != 1 {
			t.Errorf("want one question at a time, got %d and %d", slow.most, quick.most)
		}
		if n := len(slow.asked); n < 9 || n > 11 {
			t.Errorf("slow server: want about 10 questions in 100 s, got %d", n)
		}
		if n := len(quick.asked); n < 100 || n > 102 {
			t.Errorf("quick server: want about 101 questions in 101 s, got %d", n)
		}
	})
}

// Three hundred servers, with ten VIPs each, are asked evenly; a dead one costs one timeout a round and not ten.
func TestWatcherSpreadsItsQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const servers, vips = 300, 10
		d, _ := openFake(t)
		var rips []netip.Addr
		for i := range servers {
			rips = append(rips, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		}
		f := newFakeHosts(rips...)
		f.status(rips[0], -1)
		var pools []Pool
		for i := range vips {
			s := Service{VIP: netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i)}), Port: 80, Protocol: TCP, Scheduler: "rr"}
			ok(t, d.AddService(s))
			pool := Pool{Service: s}
			for _, rip := range rips {
				ok(t, d.AddRealServer(s, RealServer{RIP: rip, Weight: 1}))
				pool.Servers = append(pool.Servers, RealServer{RIP: rip, Weight: 1})
			}
			pools = append(pools, pool)
		}
		var last Change
		w, err := NewWatcher(d, pools, WatcherOptions{Dial: f.dial, Notify: func(c Change) { last = c }})
		ok(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		start := time.Now()
		go func() { done <- w.Run(ctx) }()
		time.Sleep(3 * time.Second)
		cancel()
		ok(t, <-done)
		if last.RIP != rips[0] || last.Left != servers-1 {
			t.Errorf("want the dead server to be the last change, got %v, left %d", last, last.Left)
		}
		list, err := d.List()
		ok(t, err)
		for _, s := range list {
			if s.Servers[0].Weight != 0 || s.Servers[1].Weight != 1 {
				t.Errorf("%s: want only the dead server out", s.Service)
			}
		}
		firsts := make([]int, 10) // by tenth of a second
		for _, rip := range rips {
			h := f.hosts[rip.String()]
			firsts[h.asked[0].Sub(start)/(100*time.Millisecond)]++
			if len(h.paths) != vips && rip != rips[0] {
				t.Errorf("%s: want %d VIPs asked for, got %v", rip, vips, h.paths)
			}
		}
		for _, n := range firsts {
			if n < servers/10/2 || n > servers/10*2 {
				t.Errorf("want about %d servers asked first in each tenth of a second, got %v", servers/10, firsts)
				break
			}
		}
	})
}

func TestWatcherWithoutATable(t *testing.T) {
	d, table := openFake(t)
	table.readErr = syscall.EPERM
	w, err := NewWatcher(d, nil, WatcherOptions{})
	ok(t, err)
	if err := w.Run(t.Context()); !errors.Is(err, fs.ErrPermission) || !strings.HasPrefix(err.Error(), "watcher: ipvs table: ") {
		t.Errorf("want the error of the table, got %v", err)
	}
}

//go:build lab && linux

package director_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent/director"
	"rsagent/agent/lab"
)

// readiness is an HTTP server on a real server that answers with one status, like rsagent's.
type readiness struct{ status atomic.Int32 }

func (r *readiness) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.URL.Path != "/readyz/"+lab.VIP {
		http.NotFound(w, request)
		return
	}
	w.WriteHeader(int(r.status.Load()))
}

func serveReadiness(t *testing.T, h *lab.Host) *readiness {
	t.Helper()
	l, err := h.Listen(h.Addr.String() + ":9811")
	check(t, err)
	r := new(readiness)
	r.status.Store(http.StatusOK)
	server := &http.Server{Handler: r}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return r
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scene is the classic network, both sides made by hand, with a watcher on the director.
type scene struct {
	*lab.Network
	t       *testing.T
	changes chan director.Change
}

// TestWatcherInTheLab watches two real servers, of which one says that it is not ready, and then both, and asks the VIP
// who answers. It changes weights that ipvsadm has set, and ipvsadm shows them.
func TestWatcherInTheLab(t *testing.T) {
	n, err := lab.New(t.Context(), lab.WithWebServers())
	check(t, err)
	t.Cleanup(func() { check(t, n.Close()) })
	check(t, n.DirectByHand(t.Context()))
	check(t, n.ServeByHand(t.Context()))
	rs1, rs2 := serveReadiness(t, n.RS1), serveReadiness(t, n.RS2)
	s := &scene{Network: n, t: t, changes: make(chan director.Change, 16)}
	stop := s.watch()

	s.answers(5, 5)
	rs1.status.Store(http.StatusServiceUnavailable)
	s.told(lab.RS1Addr, 0, 1)
	s.weights(0, 1)
	s.answers(0, 10)

	rs2.status.Store(http.StatusServiceUnavailable)
	s.told(lab.RS2Addr, 0, 0)
	s.weights(0, 0)
	start := time.Now()
	if body, err := n.Get(t.Context(), "http://"+lab.VIP+"/"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("with no server left: want the connection refused, got %q, %v", body, err)
	}
	t.Logf("with no server left, refused after %v", time.Since(start).Round(time.Millisecond))

	rs2.status.Store(http.StatusOK)
	s.told(lab.RS2Addr, 1, 1)
	s.answers(0, 10)
	rs1.status.Store(http.StatusOK)
	s.told(lab.RS1Addr, 1, 2)
	s.weights(1, 1)
	s.answers(5, 5)

	rs1.status.Store(http.StatusNotFound) // a VIP that rs1 does not know
	s.told(lab.RS1Addr, 0, 1)
	stop()
	rs1.status.Store(http.StatusOK)
	time.Sleep(time.Second)
	s.weights(0, 1) // as the watch has left it
}

// watch opens the director's table, whose weights ipvsadm has made 1, and watches both servers until stop.
func (s *scene) watch() (stop func()) {
	s.t.Helper()
	var d *director.Director
	check(s.t, s.Director.Do(func() (err error) { d, err = director.Open(); return err }))
	service := director.Service{VIP: netip.MustParseAddr(lab.VIP), Port: 80, Protocol: director.TCP}
	servers := []director.RealServer{{RIP: s.RS1.Addr, Weight: 1}, {RIP: s.RS2.Addr, Weight: 1}}
	w, err := director.NewWatcher(d, []director.Pool{{Service: service, Servers: servers}}, director.WatcherOptions{
		Interval: 200 * time.Millisecond,
		Dial:     s.Director.Dial, // this process is not on the director
		Notify:   func(c director.Change) { s.t.Log(c); s.changes <- c },
	})
	check(s.t, err)
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return func() {
		cancel()
		check(s.t, <-done)
		check(s.t, d.Close())
	}
}

// told waits for one change, and wants it to be this one.
func (s *scene) told(rip string, weight, left int) {
	s.t.Helper()
	select {
	case c := <-s.changes:
		if c.RIP.String() != rip || c.Weight != weight || c.Left != left || c.Err != nil {
			s.t.Fatalf("want weight %d for %s, %d left, got %v (%d left)", weight, rip, left, c, c.Left)
		}
	case <-time.After(20 * time.Second):
		s.t.Fatalf("%s: no change to weight %d", rip, weight)
	}
}

// weights wants ipvsadm to list these.
func (s *scene) weights(rs1, rs2 int) {
	s.t.Helper()
	text, err := s.Director.Run(s.t.Context(), "ipvsadm", "-Ln")
	check(s.t, err)
	got := make(map[string]string)
	for line := range strings.Lines(text) {
		// -> RIP:port Tunnel weight active inactive
		if words := strings.Fields(line); len(words) == 6 && words[2] == "Tunnel" {
			got[strings.TrimSuffix(words[1], ":80")] = words[3]
		}
	}
	digit := func(weight int) string { return string(rune('0' + weight)) }
	if diff := cmp.Diff(map[string]string{lab.RS1Addr: digit(rs1), lab.RS2Addr: digit(rs2)}, got); diff != "" {
		s.t.Errorf("ipvsadm -Ln (-want +got):\n%s\n%s", diff, text)
	}
}

// answers asks the VIP ten times, and wants so many answers from each.
func (s *scene) answers(rs1, rs2 int) {
	s.t.Helper()
	got, err := s.Tally(s.t.Context(), "http://"+lab.VIP+"/", 10)
	check(s.t, err)
	want := map[string]int{lab.RS1Site: rs1, lab.RS2Site: rs2}
	for site, n := range want {
		if n == 0 {
			delete(want, site)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("answers (-want +got):\n%s", diff)
	}
}

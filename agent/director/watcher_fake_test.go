package director

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeHosts are real servers on a network of pipes, which pass the time of the test's bubble.
type fakeHosts struct {
	mu    sync.Mutex
	hosts map[string]*fakeHost // by RIP
}

type fakeHost struct {
	status int           // what it answers; 0 refuses connections, -1 drops them
	delay  time.Duration // of an answer
	fault  error         // of dialling it, on this side
	asked  []time.Time
	paths  map[string]int
	now    int // questions that it is at work on
	most   int
}

func newFakeHosts(rips ...netip.Addr) *fakeHosts {
	f := &fakeHosts{hosts: make(map[string]*fakeHost)}
	for _, rip := range rips {
		f.hosts[rip.String()] = &fakeHost{status: http.StatusOK, paths: make(map[string]int)}
	}
	return f
}

// set changes one host.
func (f *fakeHosts) set(rip netip.Addr, change func(h *fakeHost)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f.hosts[rip.String()])
}

func (f *fakeHosts) status(rip netip.Addr, status int) {
	f.set(rip, func(h *fakeHost) { h.status, h.fault = status, nil })
}

func (f *fakeHosts) dial(ctx context.Context, network, address string) (net.Conn, error) {
	rip, _, _ := strings.Cut(address, ":")
	h := f.hosts[rip]
	f.mu.Lock()
	status, fault := h.status, h.fault
	h.asked = append(h.asked, time.Now())
	f.mu.Unlock()
	switch {
	case fault != nil:
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("socket", fault)}
	case status == 0:
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	case status < 0:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ours, theirs := net.Pipe()
	go f.serve(ours, h)
	return theirs, nil
}

func (f *fakeHosts) serve(conn net.Conn, h *fakeHost) {
	defer conn.Close()
	for r := bufio.NewReader(conn); ; {
		request, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		f.mu.Lock()
		status, delay := h.status, h.delay
		h.paths[request.URL.Path]++
		h.now++
		h.most = max(h.most, h.now)
		f.mu.Unlock()
		time.Sleep(delay)
		f.mu.Lock()
		h.now--
		f.mu.Unlock()
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Length: 3\r\n\r\nok\n", status, http.StatusText(status)); err != nil {
			return
		}
	}
}

// watched is a watcher at work in a bubble.
type watched struct {
	*fakeHosts
	t        *testing.T
	director *Director
	table    *fakeTable
	told     []string
	stop     func() // ends the watch and waits for it
}

// watch starts a watcher over a table that has rs1 and rs2 behind web with the weights of first; configured are 1 and 3.
func watch(t *testing.T, o WatcherOptions, first1, first2 int) *watched {
	w := &watched{t: t, fakeHosts: newFakeHosts(rs1, rs2)}
	w.director, w.table = openFake(t)
	ok(t, w.director.AddService(web("rr")))
	ok(t, w.director.AddRealServer(web("rr"), RealServer{RIP: rs1, Weight: first1}))
	ok(t, w.director.AddRealServer(web("rr"), RealServer{RIP: rs2, Weight: first2}))
	w.table.log = nil
	o.Dial, o.Notify = w.dial, func(c Change) { w.told = append(w.told, c.String()) }
	w.start(o)
	return w
}

func (w *watched) start(o WatcherOptions) {
	pools := []Pool{{web("rr"), []RealServer{{RIP: rs1, Weight: 1}, {RIP: rs2, Weight: 3}}}}
	watcher, err := NewWatcher(w.director, pools, o)
	ok(w.t, err)
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- watcher.Run(ctx) }()
	w.stop = func() {
		cancel()
		ok(w.t, <-done)
		synctest.Wait() // for connections to close
	}
}

// after waits, and wants the weights of rs1 and rs2 to be these.
func (w *watched) after(d time.Duration, want1, want2 int) {
	w.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	expect(w.t, w.director, ServiceStatus{Service: web("rr"), Servers: []ServerStatus{tunnel(rs1, 80, want1), tunnel(rs2, 80, want2)}})
}

// says wants to have been told exactly this since the last time.
func (w *watched) says(want ...string) {
	w.t.Helper()
	synctest.Wait()
	for i := range want {
		want[i] = "TCP 172.25.84.100:80: " + want[i]
	}
	if diff := cmp.Diff(want, w.told); diff != "" {
		w.t.Errorf("changes (-want +got):\n%s", diff)
	}
	w.told = nil
}

package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// serveHTTP answers on loopback and returns where.
func serveHTTP(t *testing.T, f http.HandlerFunc) netip.AddrPort {
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.Listener.Addr().(*net.TCPAddr).AddrPort()
}

func check(to netip.AddrPort, path, body string) ServiceResult {
	return CheckService(context.Background(), DialVIP, Service{to.Addr(), to.Port(), path, body}, time.Second)
}

func TestHTTPService(t *testing.T) {
	t.Parallel()
	var host atomic.Value
	to := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		host.Store(r.Host)
		var code int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &code); err == nil {
			w.Header().Set("Location", "http://192.0.2.1/elsewhere")
			w.WriteHeader(code)
		}
		_, _ = io.WriteString(w, "all is well")
	})
	for _, c := range []struct {
		path, body string
		up         bool
		detail     string
	}{
		{"/", "", true, "HTTP status 200"},
		{"/?a=b", "is well", true, "HTTP status 200"},
		{"/", "not there", false, "does not contain"},
		{"/302", "", true, "HTTP status 302"},
		{"/399", "", true, "HTTP status 399"},
		{"/400", "", false, "want 200 to 399"},
		{"/503", "", false, "503"},
		{"no path", "", false, "invalid URI"},
	} {
		r := check(to, c.path, c.body)
		if r.Up != c.up || !strings.Contains(r.Detail, c.detail) || r.Time.IsZero() {
			t.Errorf("%s %q: %v %q, want %v %q", c.path, c.body, r.Up, r.Detail, c.up, c.detail)
		}
	}
	if got := host.Load(); got != "127.0.0.1" {
		t.Errorf("Host %q, want the VIP", got)
	}
}

func TestServiceThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := l.Addr().(*net.TCPAddr).AddrPort()
	// Nobody accepts: the backlog connects, and nothing is said.
	r := CheckService(context.Background(), DialVIP, Service{to.Addr(), to.Port(), "/", ""}, 50*time.Millisecond)
	if r.Up || r.Detail != "no answer within 50ms" {
		t.Errorf("silent: %+v", r)
	}
	l.Close()
	if r := check(to, "", ""); r.Up || !strings.Contains(r.Detail, "connection refused") {
		t.Errorf("closed: %+v", r)
	}
	if r := check(netip.MustParseAddrPort("192.0.2.1:80"), "", ""); r.Up || r.Detail != "the VIP is not on this host" {
		t.Errorf("VIP elsewhere: %+v", r)
	}
}

// A service that speaks first sees an orderly end.
func TestTCPServiceIsLeftPolitely(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, _ = io.WriteString(conn, "220 hello\r\n")
			_, err = io.Copy(io.Discard, conn)
			conn.Close()
		}
		ended <- err
	}()
	if r := check(l.Addr().(*net.TCPAddr).AddrPort(), "", ""); !r.Up || r.Detail != "connected" {
		t.Errorf("%+v", r)
	}
	if err := <-ended; err != nil {
		t.Error("the service saw", err)
	}
}

func TestCheckerIsJitteredAndNeverTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Time
		busy := map[netip.AddrPort]bool{}
		dial := func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			mu.Lock()
			if busy[to] {
				t.Error("two checks at once for", to)
			}
			busy[to] = true
			at = append(at, time.Now())
			mu.Unlock()
			sleep(ctx, 1500*time.Millisecond) // longer than the interval
			mu.Lock()
			busy[to] = false
			mu.Unlock()
			return nil, errors.New("refused")
		}
		var results atomic.Int64
		c := newChecker(dial, func() time.Duration { return time.Second }, func(ServiceResult) { results.Add(1) })
		ctx, cancel := context.WithCancel(t.Context())
		var services []Service
		for port := range uint16(20) {
			services = append(services, Service{VIP: vipA, Port: port})
		}
		c.set(ctx, services)
		time.Sleep(time.Minute)
		c.set(ctx, services[:1]) // the others end at once
		n := results.Load()
		if n < 20*25 || n > 20*50 {
			t.Errorf("%d checks of 20 services in a minute", n)
		}
		distinctTimes := map[time.Time]bool{}
		mu.Lock()
		for _, a := range at[:20] {
			distinctTimes[a] = true
		}
		mu.Unlock()
		if len(distinctTimes) < 15 {
			t.Error("the services are asked in step")
		}
		time.Sleep(10 * time.Second)
		if more := results.Load() - n; more < 3 || more > 8 {
			t.Errorf("%d checks of the one that is left in ten seconds", more)
		}
		cancel()
		c.set(ctx, nil)
	})
}

package director

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// raw is a server that answers every connection with these bytes and closes it.
func raw(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte(text))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return "http://" + l.Addr().String()
}

func TestWatcherAsks(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	mux := http.NewServeMux()
	answer := func(path string, f func(w http.ResponseWriter, r *http.Request)) { mux.HandleFunc(path, f) }
	for _, status := range []int{200, 204, 404, 429, 500, 503} {
		answer(fmt.Sprintf("/%d", status), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
	answer("/ok", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	answer("/elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	answer("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	answer("/never", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	answer("/half", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "3")
		_, _ = w.Write([]byte("o"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	closed := httptest.NewServer(mux)
	closed.Close()

	for _, c := range []struct {
		url    string
		want   outcome
		silent bool
		cause  string
	}{
		{server.URL + "/ok", ready, false, ""},
		{server.URL + "/200", ready, false, ""},
		{server.URL + "/large", ready, false, ""},
		{raw(t, "HTTP/1.0 200 OK\r\n\r\nok\n"), ready, false, ""},
		{server.URL + "/204", notReady, false, "204 No Content"},
		{server.URL + "/elsewhere", notReady, false, "302 Found"},
		{server.URL + "/404", notReady, false, "404 Not Found"},
		{server.URL + "/429", notReady, false, "429 Too Many Requests"},
		{server.URL + "/500", notReady, false, "500 Internal Server Error"},
		{server.URL + "/503", notReady, false, "503 Service Unavailable"},
		{server.URL + "/never", notReady, true, "no answer within 300ms"},
		{server.URL + "/half", notReady, true, "no answer within 300ms"},
		{closed.URL, notReady, true, "connection refused"},
		{raw(t, ""), notReady, true, "EOF"},
		{raw(t, "SSH-2.0-OpenSSH_9.2\r\n"), notReady, true, "malformed HTTP response"},
		{raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\no"), notReady, true, "body: unexpected EOF"},
		{raw(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20)), notReady, true, "server response headers exceeded"},
	} {
		k := newAsker(WatcherOptions{Timeout: 300 * time.Millisecond}.withDefaults())
		got := k.ask(t.Context(), c.url)
		k.close()
		if got.outcome != c.want || got.silent != c.silent {
			t.Errorf("%s: want outcome %d, silent %v, got %+v", c.url, c.want, c.silent, got)
		}
		if c.cause == "" != (got.cause == nil) || got.cause != nil && !strings.Contains(got.cause.Error(), c.cause) {
			t.Errorf("%s: want the cause %q, got %v", c.url, c.cause, got.cause)
		}
	}
}

// What this host lacks is not the server's fault; what the network says is no answer of ready.
func TestWatcherTellsOurFaultsFromTheirs(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for errno, want := range map[syscall.Errno]outcome{
		syscall.EMFILE: unasked, syscall.ENFILE: unasked, syscall.ENOMEM: unasked, syscall.ENOBUFS: unasked,
		syscall.EADDRNOTAVAIL: unasked,
		syscall.ECONNREFUSED:  notReady, syscall.EHOSTUNREACH: notReady, syscall.ENETUNREACH: notReady,
		syscall.ECONNRESET: notReady, syscall.ETIMEDOUT: notReady, syscall.EPERM: notReady,
	} {
		k := newAsker(WatcherOptions{Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
		}}.withDefaults())
		if got := k.ask(t.Context(), ReadyURL(rs1, vip)); got.outcome != want || !got.silent {
			t.Errorf("%v: want outcome %d, got %+v", errno, want, got)
		}
	}
}

// One round is one connection, and the next round a new one.
func TestWatcherConnections(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "not ready")
	}))
	defer server.Close()
	dialled := 0
	k := newAsker(WatcherOptions{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled++
		return new(net.Dialer).DialContext(ctx, network, address)
	}}.withDefaults())
	for round := range 3 {
		for range 10 {
			if got := k.ask(t.Context(), server.URL); got.outcome != notReady || got.silent {
				t.Fatalf("got %+v", got)
			}
		}
		k.close()
		if dialled != round+1 {
			t.Errorf("round %d: want %d connections, got %d", round, round+1, dialled)
		}
	}
}

package health

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"rsagent/agent"
	"rsagent/agent/agenttest"
)

// serve runs the server on loopback, with a single turn.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, done := NewServer(h), make(chan error, 1)
	var open sync.WaitGroup
	follow := s.ConnState
	s.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			open.Add(1)
		}
		follow(c, state)
		if state == http.StateClosed {
			open.Done()
		}
	}
	go func() { done <- s.Serve(NewTurns(1).Listen(l)) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
		open.Wait()
	})
	return l.Addr().String()
}

// raw sends bytes and returns all that comes back.
func raw(t *testing.T, addr, send string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	go func() { _, _ = io.WriteString(conn, send) }()
	b, _ := io.ReadAll(conn)
	return string(b)
}

func TestRawRequests(t *testing.T) {
	t.Parallel()
	h := New(testConfig())
	h.Report(inOrder(), nil)
	h.Reload(Config{VIPs: []netip.Addr{vipA, vipB}, Interval: time.Hour})
	addr := serve(t, &Handler{Health: h})
	for name, c := range map[string]struct{ send, first, has string }{
		"1.0 without Host":  {"GET /readyz HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK", "\r\n\r\nok\n"},
		"1.0 HEAD":          {"HEAD /readyz HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK", "Content-Length: 3"},
		"keepalived":        {"GET /readyz/172.25.84.100 HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 10.0.0.1:9811\r\n\r\n", "HTTP/1.0 200 OK", "\r\n\r\nok\n"},
		"1.1, any Host":     {"GET /readyz HTTP/1.1\r\nHost: whatever\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK", "\r\n\r\nok\n"},
		"0.9":               {"GET /readyz\r\n\r\n", "HTTP/1.1 400", ""},
		"garbage":           {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", "HTTP/1.1 400", ""},
		"huge header":       {"GET /readyz HTTP/1.0\r\nX: " + strings.Repeat("x", maxHeader) + "\r\n\r\n", "HTTP/1.1 431", ""},
		"huge path":         {"GET /" + strings.Repeat("x", maxHeader) + " HTTP/1.0\r\n\r\n", "HTTP/1.1 431", ""},
		"nearly as huge":    {"GET /readyz HTTP/1.0\r\nX: " + strings.Repeat("x", maxHeader-512) + "\r\n\r\n", "HTTP/1.0 200", ""},
		"body":              {"GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 413", "Connection: close"},
		"chunked body":      {"GET /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 413", ""},
		"OPTIONS *":         {"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 405", "Allow: GET, HEAD"},
		"CONNECT":           {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n", "HTTP/1.1 405", "Allow: GET, HEAD"},
		"absolute":          {"GET http://x/readyz HTTP/1.0\r\n\r\n", "HTTP/1.0 200", ""},
		"escaped":           {"GET /readyz/%00 HTTP/1.0\r\n\r\n", "HTTP/1.0 404", ""},
		"two, pipelined":    {"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.0\r\n\r\n", "HTTP/1.1 200", "\r\n\r\nok\nHTTP/1.0 200"},
		"response as query": {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 400", ""},
	} {
		got := raw(t, addr, c.send)
		if !strings.HasPrefix(got, c.first) || !strings.Contains(got, c.has) {
			t.Errorf("%s: %.300q, want %q and %q", name, got, c.first, c.has)
		}
	}
	if got := raw(t, addr, "HEAD /readyz HTTP/1.0\r\n\r\n"); !strings.HasSuffix(got, "\r\n\r\n") {
		t.Errorf("HEAD has a body: %q", got)
	}
}

// Two answers differ in nothing but the Date.
func TestAnswersAreStable(t *testing.T) {
	t.Parallel()
	h := New(testConfig())
	h.Report(inOrder(), nil)
	addr := serve(t, &Handler{Health: h})
	strip := func(s string) string {
		var out []string
		for line := range strings.Lines(s) {
			if !strings.HasPrefix(line, "Date: ") {
				out = append(out, line)
			}
		}
		return strings.Join(out, "")
	}
	first := strip(raw(t, addr, "GET /readyz HTTP/1.0\r\n\r\n"))
	h.Report(inOrder(agent.Finding{Subject: agenttest.Subject("senders"), Severity: agent.Warning}), nil)
	if second := strip(raw(t, addr, "GET /readyz HTTP/1.0\r\n\r\n")); first != second {
		t.Errorf("%q, then %q", first, second)
	}
}

func TestSlowLoris(t *testing.T) {
	t.Parallel()
	s := NewServer(&Handler{Health: New(testConfig())})
	s.ReadHeaderTimeout = 200 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	defer func() { _ = s.Close(); <-done }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	for i := range 100 {
		if _, err := io.WriteString(conn, "GET /readyz HTTP/1.0\r\n"[min(i, 20):min(i, 20)+1]); err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if took := time.Since(start); took > 1500*time.Millisecond {
		t.Errorf("a client that sends a byte at a time was held for %s", took)
	}
}

// Two thousand clients that send nothing do not keep a director waiting.
func TestManySlowClients(t *testing.T) {
	h := New(testConfig())
	h.Report(inOrder(), nil)
	addr := serve(t, &Handler{Health: h})
	for i := range 2000 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Skipf("only %d connections here: %v", i, err)
		}
		defer conn.Close()
		if i%2 == 0 {
			_, _ = io.WriteString(conn, "GET /readyz HT")
		}
	}
	var worst time.Duration
	for range 20 {
		start := time.Now()
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET /livez HTTP/1.0\r\n\r\n")
		line, err := bufio.NewReader(conn).ReadString('\n')
		conn.Close()
		if err != nil || !strings.HasPrefix(line, "HTTP/1.0 200") {
			t.Fatal(line, err)
		}
		worst = max(worst, time.Since(start))
	}
	t.Logf("slowest of 20 answers beside 2,000 slow clients: %s", worst)
	if worst > time.Second {
		t.Errorf("the slowest answer took %s", worst)
	}
}

// Beyond the cap the most silent connection goes.
func TestCrowd(t *testing.T) {
	t.Parallel()
	c := newCrowd(2)
	conns := make([]net.Conn, 3)
	for i := range conns {
		a, b := net.Pipe()
		t.Cleanup(func() { a.Close(); b.Close() })
		conns[i] = a
	}
	c.state(conns[0], http.StateNew)
	c.state(conns[1], http.StateNew)
	c.state(conns[0], http.StateActive)
	if silent := c.note(conns[2], http.StateNew); silent != conns[1] {
		t.Error("the wrong one has to go")
	}
	for _, conn := range conns {
		c.state(conn, http.StateClosed)
	}
	if c.order.Len()+len(c.place) != 0 {
		t.Error("closed connections are remembered")
	}
}

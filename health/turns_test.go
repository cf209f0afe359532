package health

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rsagent/agent"
)

// Turns are taken by so many at once, and in the order of asking.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns, began := NewTurns(2), make(chan int, 10)
		for i := range cap(began) {
			go func() {
				turns.take()
				began <- i
			}()
			synctest.Wait()
		}
		var order []int
		for i := range cap(began) {
			synctest.Wait()
			if got := i + len(began); got > i+2 {
				t.Fatalf("%d turns at once", got-i)
			}
			order = append(order, <-began)
			turns.give()
		}
		if !slices.IsSorted(order) {
			t.Errorf("turns began in the order %v", order)
		}
	})
}

// No turn begins during a hold, which ends when it is released, and after 20 ms
// in any case.
func TestHold(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]time.Duration{"released": 5 * time.Millisecond, "never released": holdLimit} {
		synctest.Test(t, func(t *testing.T) {
			turns, start := NewTurns(3), time.Now()
			release := turns.Hold()
			if length < holdLimit {
				time.AfterFunc(length, release)
			}
			turns.take()
			if took := time.Since(start); took != length {
				t.Errorf("%s: a turn began after %v, want %v", name, took, length)
			}
			release()
			turns.take()
			turns.Hold()()
			turns.take()
			if took := time.Since(start); took != length {
				t.Errorf("%s: later turns began after %v, want %v", name, took, length)
			}
		})
	}
}

// There is one turn, and nobody has it who keeps the server waiting.
func TestNobodyKeepsATurn(t *testing.T) {
	t.Parallel()
	const whole = "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
	long := strings.Repeat("reason ", 10000)
	for name, send := range map[string]string{
		"says nothing":              "",
		"says half of it":           "GET /readyz HT",
		"asks no more":              whole,
		"asks half of the next":     whole + "GET /rea",
		"half of a body":            "GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe",
		"half of a body, of a POST": "POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe",
		"half of a chunk":           "POST /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
		"waits to continue":         "POST /readyz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
		"huge header":               "GET /readyz HTTP/1.1\r\nX: " + strings.Repeat("x", 2*maxHeader),
		"garbage":                   "\x16\x03\x01\r\n\r\n",
		"reads nothing":             strings.Repeat("GET /readyz?verbose HTTP/1.1\r\nHost: x\r\n\r\n", 300),
		"reads no status":           strings.Repeat("GET /status HTTP/1.1\r\nHost: x\r\n\r\n", 300),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := New(testConfig())
			h.Report(inOrder(agent.Finding{ID: "link/tunl0", Severity: agent.Critical, Why: long}), nil)
			addr := serve(t, &Handler{Health: h})
			for range 3 {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_ = conn.(*net.TCPConn).SetReadBuffer(4096)
				if _, err := io.WriteString(conn, send); err != nil {
					t.Fatal(err)
				}
				if got := raw(t, addr, "GET /readyz HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 503") {
					t.Errorf("the next one was answered %.100q", got)
				}
			}
		})
	}
}

// Every turn that is taken is given back, however a connection ends.
func TestTurnsAreGivenBack(t *testing.T) {
	t.Parallel()
	turns := NewTurns(1)
	conn := &turnConn{turns: turns}
	conn.begin()
	conn.begin() // has it already
	conn.end()
	conn.end() // has none
	if n := len(turns.taken); n != 0 {
		t.Errorf("%d turns are still taken", n)
	}
}

package health

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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
		"asks without end":          strings.Repeat(whole, 1000),
		"reads nothing":             "GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours := &Handler{Health: New(testConfig())}
			addr := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/big" {
					_, _ = w.Write(make([]byte, 16<<20)) // more than sockets hold
					return
				}
				ours.ServeHTTP(w, r)
			}))
			for range 3 {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if name == "asks without end" {
					go askWithoutEnd(conn, send)
				} else {
					_ = conn.(*net.TCPConn).SetReadBuffer(4096)
					if _, err := io.WriteString(conn, send); err != nil {
						t.Fatal(err)
					}
				}
				if got := raw(t, addr, "GET /readyz HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 503") {
					t.Errorf("the next one was answered %.100q", got)
				}
			}
		})
	}
}

// askWithoutEnd asks, and reads the answers, until the connection is closed.
func askWithoutEnd(conn net.Conn, send string) {
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	for {
		if _, err := io.WriteString(conn, send); err != nil {
			return
		}
	}
}

// A turn is given back once, by whatever comes first.
func TestTurnsAreGivenBack(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, end := range map[string]func(*turnConn){
		"end":         (*turnConn).end,
		"Close":       func(c *turnConn) { _ = c.Close() },
		"close write": func(c *turnConn) { _ = c.CloseWrite() },
	} {
		turns := NewTurns(1)
		tcp, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c := &turnConn{TCPConn: tcp.(*net.TCPConn), turns: turns}
		c.begin()
		c.begin() // has it already
		end(c)
		if n := len(turns.taken); n != 0 {
			t.Errorf("%s: %d turns are still taken", name, n)
			continue
		}
		_ = c.Close() // has none
	}
}

package health

import (
	"container/list"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of the server. A director sends a hundred bytes and reads ten, at
// once; whoever takes longer is not one.
const (
	headerTimeout = 5 * time.Second
	answerTimeout = 10 * time.Second
	idleTimeout   = 30 * time.Second
	maxHeader     = 8 << 10 // request line and headers; more gets 431
	maxConns      = 4096
)

// NewServer returns a server with all limits set; serve any number of
// listeners with it. When there are too many connections the one that has been
// silent for the longest is closed, so that no number of them keeps a director
// from being answered.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       answerTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader - 4096, // net/http adds these for good measure
		ConnState:         newCrowd(maxConns).state,
		ConnContext:       withTurns,
		ErrorLog:          log.New(io.Discard, "", 0), // what clients do wrong is not our news
		// OPTIONS * is no GET either.
		DisableGeneralOptionsHandler: true,
	}
}

// crowd knows the open connections, in the order in which they last did
// something.
type crowd struct {
	mu    sync.Mutex
	most  int
	order *list.List // of net.Conn, the most silent first
	place map[net.Conn]*list.Element
}

func newCrowd(most int) *crowd {
	return &crowd{most: most, order: list.New(), place: map[net.Conn]*list.Element{}}
}

// state follows a connection. It takes constant time.
func (c *crowd) state(conn net.Conn, s http.ConnState) {
	if t, ok := conn.(*turnConn); ok {
		t.state(s)
	}
	if silent := c.note(conn, s); silent != nil {
		_ = silent.Close()
	}
}

// note returns a connection that has to go, or nil.
func (c *crowd) note(conn net.Conn, s http.ConnState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, known := c.place[conn]
	switch {
	case s == http.StateClosed || s == http.StateHijacked:
		if known {
			c.order.Remove(at)
			delete(c.place, conn)
		}
	case known:
		c.order.MoveToBack(at)
	default:
		c.place[conn] = c.order.PushBack(conn)
	}
	if c.order.Len() <= c.most {
		return nil
	}
	front := c.order.Front()
	silent := c.order.Remove(front).(net.Conn)
	delete(c.place, silent)
	return silent
}

package health

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
)

// Listen returns l, with turns for what is asked there, if it is a server of
// NewServer that serves it.
func (t *Turns) Listen(l net.Listener) net.Listener { return turnListener{l, t} }

type turnListener struct {
	net.Listener
	turns *Turns
}

func (l turnListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c, err
	}
	raw, err := tcp.SyscallConn()
	return &turnConn{TCPConn: tcp, raw: raw, turns: l.turns}, err
}

// A turnConn has a turn from when something has come until the next time it
// would have to wait for its client, be it to send or to read.
type turnConn struct {
	*net.TCPConn
	raw   syscall.RawConn
	turns *Turns
	mine  atomic.Bool // taken by the goroutine that serves, ended by any
	busy  atomic.Bool // a request has been read and not yet answered
}

type turnKey struct{}

// withTurns makes a connection known to the requests on it.
func withTurns(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, turnKey{}, c)
}

// unhurried ends the turn of a request that takes its time.
func unhurried(r *http.Request) {
	if c, ok := r.Context().Value(turnKey{}).(*turnConn); ok {
		c.end()
	}
}

// state follows what net/http does with the connection.
func (c *turnConn) state(s http.ConnState) { c.busy.Store(s == http.StateActive) }

func (c *turnConn) begin() {
	if !c.mine.Load() {
		c.turns.take()
		c.mine.Store(true)
	}
}

func (c *turnConn) end() {
	if c.mine.CompareAndSwap(true, false) {
		c.turns.give()
	}
}

// Read reads within a turn, and waits without one. While a request is being
// answered net/http reads beside it, to notice that the client has gone; that
// needs no turn.
func (c *turnConn) Read(p []byte) (int, error) {
	if c.busy.Load() {
		return c.TCPConn.Read(p)
	}
	for again := c.mine.Load(); ; again = false {
		c.begin()
		n, waited := c.try(p)
		switch {
		case n > 0 && again: // who asks without a pause goes behind the others
			c.end()
			c.begin()
			return n, nil
		case n > 0:
			return n, nil
		case !waited:
			c.end()
			return c.TCPConn.Read(p) // which says what it is
		}
	}
}

// try reads what is there, or else ends the turn and waits until there is
// something. It does not wait for a turn: the connection could not be closed
// meanwhile.
func (c *turnConn) try(p []byte) (n int, waited bool) {
	err := c.raw.Read(func(fd uintptr) bool {
		if waited {
			return true
		}
		var err error
		if n, err = syscall.Read(int(fd), p); err != syscall.EAGAIN {
			return true
		}
		c.end()
		waited = true
		return false
	})
	return n, waited && err == nil
}

// Write hands over what the kernel takes at once, and waits without a turn for
// it to take the rest.
func (c *turnConn) Write(p []byte) (n int, err error) {
	if c.mine.Load() {
		_ = c.raw.Write(func(fd uintptr) bool {
			n, _ = syscall.Write(int(fd), p)
			return true
		})
		if n == len(p) {
			return n, nil
		}
		c.end()
		n = max(0, n)
	}
	rest, err := c.TCPConn.Write(p[n:])
	return n + rest, err
}

// CloseWrite ends the turn: net/http waits after it.
func (c *turnConn) CloseWrite() error {
	c.end()
	return c.TCPConn.CloseWrite()
}

// Close ends the turn.
func (c *turnConn) Close() error {
	c.end()
	return c.TCPConn.Close()
}

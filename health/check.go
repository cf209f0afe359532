package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// A Dialer connects to a service on a VIP. It must heed ctx.
type Dialer func(ctx context.Context, to netip.AddrPort) (net.Conn, error)

// DialVIP connects from the VIP itself, as the kernel would choose anyway
// while the VIP is on this host. While it is not, this fails, where a plain
// connection would ask the director, and be answered by another real server.
func DialVIP(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(to.Addr(), 0))}
	return d.DialContext(ctx, "tcp", to.String())
}

const (
	maxTimeout = 2 * time.Second
	maxBody    = 64 << 10
	politeness = 100 * time.Millisecond // for a peer to finish a closing
)

// CheckService asks a service once and returns within the timeout. The Time of
// the result is its end.
func CheckService(ctx context.Context, dial Dialer, s Service, timeout time.Duration) ServiceResult {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	ask := askTCP
	if s.HTTPPath != "" {
		ask = askHTTP
	}
	a, err := ask(ctx, dial, s)
	if err != nil {
		a.at = time.Now()
	}
	r := ServiceResult{Service: s, Up: err == nil, Detail: a.text, Time: a.at, Took: a.at.Sub(start)}
	if err != nil {
		r.Detail = printable(plainly(err, timeout), 300)
	}
	return r
}

// An answer is what a service said and when, without the time it takes to part.
type answer struct {
	text string
	at   time.Time
}

// plainly says what went wrong as a person would.
func plainly(err error, timeout time.Duration) string {
	timedOut, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), isNet && timedOut.Timeout():
		return fmt.Sprintf("no answer within %s", timeout)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused, nothing listens there"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "the VIP is not on this host"
	}
	return err.Error()
}

func askTCP(ctx context.Context, dial Dialer, s Service) (answer, error) {
	conn, err := dial(ctx, s.Addr())
	if err != nil {
		return answer{}, err
	}
	defer closePolitely(conn)
	return answer{"connected", time.Now()}, nil
}

// closePolitely ends a connection with a FIN. What the service has said (the
// banner of an SSH or SMTP server) is read first, since closing with data
// unread would send it a RST.
func closePolitely(conn net.Conn) {
	defer conn.Close()
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = conn.SetReadDeadline(time.Now().Add(politeness))
		_, _ = io.CopyN(io.Discard, conn, maxBody)
	}
}

func askHTTP(ctx context.Context, dial Dialer, s Service) (answer, error) {
	target, err := url.ParseRequestURI(s.HTTPPath)
	if err != nil {
		return answer{}, err
	}
	target.Scheme, target.Host = "http", s.Addr().String()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return answer{}, err
	}
	req.Host = s.VIP.String()
	req.Header.Set("User-Agent", "rsagent")
	transport := &http.Transport{
		DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, s.Addr()) },
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxBody,
	}
	// No redirect is followed: it may lead to another host.
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	defer finish(ctx, resp.Body)
	return judgeHTTP(resp, s.Body)
}

func judgeHTTP(resp *http.Response, want string) (answer, error) {
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return answer{}, fmt.Errorf("HTTP status %d, want 200 to 399", resp.StatusCode)
	}
	if want != "" {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
		if !bytes.Contains(body, []byte(want)) {
			if err != nil {
				return answer{}, err
			}
			return answer{}, fmt.Errorf("the answer does not contain %q", want)
		}
	}
	return answer{fmt.Sprintf("HTTP status %d", resp.StatusCode), time.Now()}, nil
}

// finish reads the rest of an answer, if it comes soon, so that the service
// does not see its connection break while it writes.
func finish(ctx context.Context, body io.ReadCloser) {
	t := time.AfterFunc(politeness, func() { _ = body.Close() })
	defer t.Stop()
	if ctx.Err() == nil {
		_, _ = io.CopyN(io.Discard, body, maxBody)
	}
}

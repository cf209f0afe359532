package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	maxAgentChecks    = 64 // at the same time; more wait
	agentCheckTimeout = time.Second
)

// ServeAgentCheck answers HAProxy's agent-check on l: one line for each
// connection, without reading, see [Snapshot.AgentLine]. It closes l and
// returns when ctx ends, then with nil, or when accepting fails.
func (h *Health) ServeAgentCheck(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	defer l.Close()
	var answering sync.WaitGroup
	defer answering.Wait()
	slots := make(chan struct{}, maxAgentChecks)
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case temporary(err):
			_ = sleep(ctx, 50*time.Millisecond)
			continue
		case err != nil:
			return fmt.Errorf("agent-check: %w", err)
		}
		select {
		case slots <- struct{}{}:
			answering.Go(func() {
				defer func() { <-slots }()
				h.answerAgent(conn)
			})
		case <-ctx.Done():
			_ = conn.Close()
		}
	}
}

// temporary reports whether accepting may work again later: out of file
// descriptors, or a client that had gone already.
func temporary(err error) bool {
	if err == nil || errors.Is(err, net.ErrClosed) {
		return false
	}
	// The method is deprecated for errors in general; for Accept it is what
	// net/http goes by.
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}

// answerAgent says nothing on a VIP, as the Handler does not.
func (h *Health) answerAgent(conn net.Conn) {
	defer conn.Close()
	if onVIP(conn.LocalAddr(), h.current.Load().vips) {
		return
	}
	_ = conn.SetWriteDeadline(time.Now().Add(agentCheckTimeout))
	_, _ = conn.Write([]byte(h.Snapshot().AgentLine()))
}

// AgentLine is the snapshot in the words of HAProxy's agent-check:
// "up ready", "drain" or "down #reason". The second word of the first matters:
// "drain" sets the administrative state, and "up" alone leaves that as it is
// (HAProxy configuration manual, agent-check).
func (s Snapshot) AgentLine() string {
	switch {
	case s.Verdict.Ready:
		return "up ready\n"
	case s.Drain.Draining && !s.Stopping:
		return "drain\n"
	case len(s.Verdict.Reasons) == 0:
		return "down\n"
	}
	r := s.Verdict.Reasons[0]
	reason := strings.TrimSuffix(r.Text, ".")
	return "down #" + printable(r.Code+": "+reason, 120) + "\n"
}

package director

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// answer is what came back for a question.
type answer struct {
	outcome outcome
	cause   error // nil if ready
	silent  bool  // there was no answer at all: there will be none to the next question either
}

// asker asks one host.
type asker struct {
	http    *http.Client
	timeout time.Duration
}

// maxBody is how much of an answer is read. Nobody needs more than the status; it is read so that the connection can
// carry the next question.
const maxBody = 4 << 10

func newAsker(o WatcherOptions) *asker {
	return &asker{
		timeout: o.Timeout,
		http: &http.Client{
			// No proxy, whatever the environment says: the server is to answer itself.
			Transport: &http.Transport{DialContext: o.Dial, MaxResponseHeaderBytes: 64 << 10},
			// The server is to be ready itself, and not somebody whom it knows.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// close closes the connection that is left over from the last questions, also one that is only being opened. The next
// round then finds out whether the host still accepts connections.
func (k *asker) close() { k.http.CloseIdleConnections() }

// ask asks one question, and gives up after the timeout.
func (k *asker) ask(ctx context.Context, url string) answer {
	ctx, cancel := context.WithTimeoutCause(ctx, k.timeout, fmt.Errorf("no answer within %v", k.timeout))
	defer cancel()
	err := k.get(ctx, url)
	if errors.Is(err, context.DeadlineExceeded) {
		err = context.Cause(ctx)
	}
	var status statusError
	switch {
	case err == nil:
		return answer{outcome: ready}
	case exhausted(err):
		return answer{outcome: unasked, cause: fmt.Errorf("GET %s: %w", url, err), silent: true}
	}
	return answer{outcome: notReady, cause: fmt.Errorf("GET %s: %w", url, err), silent: !errors.As(err, &status)}
}

// get returns nil for a whole answer with status 200.
func (k *asker) get(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "rsagent-director")
	response, err := k.http.Do(request)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err // the caller names the URL
		}
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, response.Body, maxBody)
		return statusError(response.StatusCode)
	}
	if _, err := io.CopyN(io.Discard, response.Body, maxBody); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("body: %w", err)
	}
	return nil
}

// statusError is an answer with another status than 200.
type statusError int

func (s statusError) Error() string {
	return fmt.Sprintf("%d %s", int(s), http.StatusText(int(s)))
}

// exhausted reports whether it was this host that had nothing left to open a connection with: descriptors, memory,
// buffers, or local ports. No packet has left it then.
func exhausted(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

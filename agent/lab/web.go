package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Site is the lab's web site: it answers every request with its name on a line, and /bytes/N with N bytes.
func Site(name string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, name)
	})
	mux.HandleFunc("/bytes/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
		if err != nil || n < 0 {
			http.Error(w, "not a number of bytes: "+r.PathValue("n"), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		// A client that goes away ends the copy, and that is all there is to say about it.
		_, _ = io.CopyN(w, sameByte('x'), n)
	})
	return mux
}

// sameByte is an endless supply of one byte.
type sameByte byte

func (b sameByte) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

// Listen opens a TCP listener on this host. The address is as for net.Listen, without names.
func (h *Host) Listen(address string) (net.Listener, error) {
	var l net.Listener
	err := h.Do(func() (err error) {
		var config net.ListenConfig
		// The servers of this field speak plain TCP.
		config.SetMultipathTCP(false)
		l, err = config.Listen(context.Background(), "tcp", address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	return l, nil
}

// Serve starts a web server for Site(name) on port 80 of every address that the host has or will have. It answers
// when Serve returns, and until Close.
func (h *Host) Serve(name string) error {
	l, err := h.Listen(":80")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: Site(name), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	h.network.atClose(func() error {
		err := server.Close()
		if end := <-ended; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
		return err
	})
	return nil
}

// Dial connects from this host. The address is as for net.Dial, without names.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := h.Do(func() (err error) {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	return conn, nil
}

// getTimeout ends a request that nobody answers.
const getTimeout = 5 * time.Second

// Get requests url from this host, over a fresh connection, and returns the body without a newline at its end. It
// gives up after five seconds, or when ctx does. An answer other than 2xx is an error.
func (h *Host) Get(ctx context.Context, url string) (string, error) {
	client := &http.Client{
		Timeout:   getTimeout,
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: h.Dial},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("get %s: %w", url, err)
	}
	if response.StatusCode/100 != 2 {
		return "", fmt.Errorf("get %s: %s: %s", url, response.Status, oneLine(body))
	}
	return strings.TrimSuffix(string(body), "\n"), nil
}

// Get requests url from the client; see Host.Get.
func (n *Network) Get(ctx context.Context, url string) (string, error) { return n.Client.Get(ctx, url) }

// Tally makes count requests from the client, one after the other, and counts the answers. It stops at the first
// request that fails, and returns what it has counted until then.
func (n *Network) Tally(ctx context.Context, url string, count int) (map[string]int, error) {
	tally := map[string]int{}
	for i := range count {
		body, err := n.Get(ctx, url)
		if err != nil {
			return tally, fmt.Errorf("request %d of %d: %w", i+1, count, err)
		}
		tally[body]++
	}
	return tally, nil
}

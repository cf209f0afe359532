//go:build browser

package page

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// chrome is a headless browser, spoken to over two pipes.
type chrome struct {
	t       *testing.T
	w       io.Writer
	session string

	mu     sync.Mutex
	last   int
	asked  map[int]chan reply
	events []reply
}

type reply struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct{ Message string }
}

// startChrome starts a browser with one tab; it is gone when the test ends.
func startChrome(t *testing.T) *chrome {
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("apt-get install chromium: %v", err)
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--hide-scrollbars", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	c := &chrome{t: t, w: in, asked: map[int]chan reply{}}
	done := make(chan struct{})
	go func() { defer close(done); c.listen(out) }()
	t.Cleanup(func() {
		_, _ = fmt.Fprint(in, `{"id":999999,"method":"Browser.close"}`+"\x00")
		ended := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		ended.Stop()
		in.Close()
		out.Close()
		<-done
	})
	c.attach()
	return c
}

func (c *chrome) attach() {
	var made struct{ TargetID string }
	c.do("Target.createTarget", map[string]any{"url": "about:blank"}, &made)
	var to struct{ SessionID string }
	c.do("Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}, &to)
	c.session = to.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		c.do(domain+".enable", nil, nil)
	}
}

func (c *chrome) listen(r io.Reader) {
	b := bufio.NewReader(r)
	for {
		line, err := b.ReadBytes(0)
		if err != nil {
			return
		}
		var got reply
		_ = json.Unmarshal(line[:len(line)-1], &got)
		c.mu.Lock()
		if ch := c.asked[got.ID]; got.ID != 0 && ch != nil {
			ch <- got
		} else {
			c.events = append(c.events, got)
		}
		c.mu.Unlock()
	}
}

// do calls a method and decodes its result.
func (c *chrome) do(method string, params any, result any) {
	c.t.Helper()
	ch := make(chan reply, 1)
	c.mu.Lock()
	c.last++
	msg := map[string]any{"id": c.last, "method": method}
	c.asked[c.last] = ch
	c.mu.Unlock()
	if params != nil {
		msg["params"] = params
	}
	if c.session != "" {
		msg["sessionId"] = c.session
	}
	b, _ := json.Marshal(msg)
	if _, err := c.w.Write(append(b, 0)); err != nil {
		c.t.Fatal(err)
	}
	select {
	case got := <-ch:
		if got.Error != nil {
			c.t.Fatalf("%s: %s", method, got.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(got.Result, result); err != nil {
				c.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-time.After(30 * time.Second):
		c.t.Fatalf("%s: no answer", method)
	}
}

// js evaluates an expression in the page and returns its value.
func (c *chrome) js(expression string) any {
	c.t.Helper()
	var out struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Text string }
	}
	c.do("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &out)
	if out.ExceptionDetails != nil {
		c.t.Fatalf("%s: %s", expression, out.ExceptionDetails.Text)
	}
	return out.Result.Value
}

// eventually waits until an expression is true.
func (c *chrome) eventually(expression string) {
	c.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if c.js(expression) == true {
			return
		}
	}
	c.t.Fatalf("never true: %s", expression)
}

func (c *chrome) open(url string) {
	c.t.Helper()
	c.do("Page.navigate", map[string]any{"url": url}, nil)
	c.eventually(fmt.Sprintf("document.readyState === 'complete' && location.href === %q", url))
}

// complaints returns what the console would show in red: errors, exceptions,
// and resources that the policy or the server refused.
func (c *chrome) complaints() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, e := range c.events {
		bad := e.Method == "Runtime.exceptionThrown" || e.Method == "Network.loadingFailed"
		for _, level := range []string{`"level":"error"`, `"level":"warning"`, `"type":"error"`} {
			bad = bad || (e.Method == "Log.entryAdded" || e.Method == "Runtime.consoleAPICalled") && strings.Contains(string(e.Params), level)
		}
		if bad {
			out = append(out, e.Method+" "+string(e.Params))
		}
	}
	return out
}

// requests returns the addresses that were asked for.
func (c *chrome) requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, e := range c.events {
		var p struct{ Request struct{ URL string } }
		if e.Method == "Network.requestWillBeSent" && json.Unmarshal(e.Params, &p) == nil {
			out = append(out, p.Request.URL)
		}
	}
	return out
}

// look sets the size of the window and the colour scheme.
func (c *chrome) look(width, height int, scheme string) {
	c.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	c.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// shot returns the whole page as a PNG.
func (c *chrome) shot() []byte {
	var out struct{ Data []byte }
	c.do("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &out)
	return out.Data
}

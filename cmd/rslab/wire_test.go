package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWire(t *testing.T) {
	var pipe bytes.Buffer
	w := newWire(&pipe)
	long := strings.Repeat("x", maxPayload+1)
	if n, err := w.writer(frameStdout).Write([]byte(long)); n != len(long) || err != nil {
		t.Fatal(n, err)
	}
	want := job{Args: []string{"a", "b c"}, Env: []string{"X=1"}, Dir: "/", Outputs: []string{"/o"}, Clock: 5, Modules: "/m"}
	if err := w.sendJob(want); err != nil {
		t.Fatal(err)
	}
	var text string
	for range 2 {
		kind, payload, err := w.receive()
		if kind != frameStdout || err != nil {
			t.Fatalf("got %q, %v", kind, err)
		}
		text += string(payload)
	}
	if text != long {
		t.Errorf("got %d bytes", len(text))
	}
	got, err := receiveJob(w)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, job (-want +got):\n%s", err, diff)
	}
	if _, _, err := w.receive(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func TestWireRefusesNonsense(t *testing.T) {
	w := newWire(bytes.NewBufferString("O\xff\xff\xff\xffrest"))
	if _, _, err := w.receive(); err == nil {
		t.Error("a frame of 4 GiB")
	}
	w = newWire(bytes.NewBufferString("O\x00\x00\x00\x09rest"))
	if _, _, err := w.receive(); !lostPort(err) {
		t.Errorf("cut short: %v", err)
	}
}

// The launcher's end of a run, without a machine: what it makes of what a guest says.
func TestListen(t *testing.T) {
	here, there := net.Pipe()
	out := t.TempDir() + "/out"
	guest := newWire(there)
	go func() {
		_ = guest.send(frameStdout, []byte("one "))
		_ = guest.send(frameStderr, []byte("complaint"))
		_ = guest.send(frameStdout, []byte("two"))
		src := t.TempDir() + "/in"
		_ = os.WriteFile(src, []byte("carried"), 0o644)
		_ = packOutputs(guest.writer(frameFiles), []string{src})
		_ = guest.send(frameExit, []byte{42})
	}()
	var stdout, stderr bytes.Buffer
	m := &machine{wire: newWire(here)}
	result := m.listen([]string{out}, &stdout, &stderr)
	if result.err != nil || result.code != 42 || !result.got[out] {
		t.Errorf("got %+v", result)
	}
	if stdout.String() != "one two" || stderr.String() != "complaint" || readFile(t, out) != "carried" {
		t.Errorf("got %q, %q", &stdout, &stderr)
	}
}

func TestSupervise(t *testing.T) { synctest.Test(t, testSupervise) }

func testSupervise(t *testing.T) {
	type end struct {
		result outcome
		sent   []syscall.Signal
		killed bool
	}
	supervised := func(cause error, obeys bool) end {
		var e end
		ctx, cancel := withCause(t, cause)
		defer cancel()
		done := make(chan outcome, 1)
		e.result = supervise(ctx, done, func(s syscall.Signal) {
			e.sent = append(e.sent, s)
			if obeys {
				done <- outcome{code: 7}
			}
		}, func() { e.killed = true })
		return e
	}
	got := supervised(signalled{syscall.SIGTERM}, true)
	if got.result.code != 7 || got.result.err != nil || got.sent[0] != syscall.SIGTERM || got.killed {
		t.Errorf("signal, obeyed: %+v", got)
	}
	got = supervised(timeLimit(time.Minute), true)
	if want := "time limit of 1m0s reached, command killed"; errorText(got.result.err) != want || got.sent[0] != syscall.SIGQUIT {
		t.Errorf("time limit, obeyed: %+v", got)
	}
	got = supervised(timeLimit(time.Minute), false)
	if codeOf(got.result.err) != codeTimeLimit || !got.killed {
		t.Errorf("time limit, ignored: %+v", got)
	}
	if code := codeOf(signalled{syscall.SIGINT}); code != 130 {
		t.Errorf("code of SIGINT: %d", code)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var copied bytes.Buffer
	c := &tail{keep: 30, copy: &copied}
	for _, s := range []string{"a long beginning of it all\r\n", "[ 1.0] Kernel panic - no\r\n"} {
		if _, err := io.WriteString(c, s); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.String(); got != "ll\n[ 1.0] Kernel panic - no\n" {
		t.Errorf("got %q", got)
	}
	if line, ok := c.find("Kernel panic"); line != "Kernel panic - no" || !ok {
		t.Errorf("got %q", line)
	}
	if copied.Len() != 54 {
		t.Errorf("copied %d bytes", copied.Len())
	}
}

package main

import (
	"bytes"
	"os/exec"
	"testing"
)

// fakeHost is a broker whose host is a func that talks on the other end of the wire, and a process for qemu's.
func fakeHost(t *testing.T, host func(w *wire)) {
	t.Helper()
	mine, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	qemu := exec.Command("sleep", "60")
	if err := qemu.Start(); err != nil {
		t.Fatal(err)
	}
	m := &machine{cmd: qemu, port: mine, wire: newWire(mine), console: &tail{}, stderr: &tail{}}
	b, err := newBroker(m)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		host(newWire(theirs))
	}()
	t.Cleanup(func() {
		b.close()
		_ = m.kill()
		<-done
	})
	t.Setenv(hostVariable, b.listener.Addr().String())
}

func inHost(args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(append([]string{"rslab", "in"}, args...), &stdout, &stderr)
	return result{stdout.String(), stderr.String(), code}
}

func TestCommandsInAHost(t *testing.T) {
	fakeHost(t, func(w *wire) {
		for {
			j, err := receiveJob(w)
			if err != nil {
				return
			}
			_ = w.send(frameStdout, []byte(j.Args[0]))
			_ = w.send(frameStderr, []byte(j.Limit.String()))
			_ = w.send(frameExit, []byte{byte(len(j.Args))})
		}
	})
	for _, test := range []struct {
		args []string
		want result
	}{
		{[]string{"one"}, result{"one", "5m0s", 1}},
		{[]string{"--timeout", "7s", "two", "--flag"}, result{"two", "7s", 2}},
		{nil, result{"", "rslab: in: give a command or --reboot\n", 125}},
		{[]string{"--reboot", "now"}, result{"", "rslab: in: give a command or --reboot\n", 125}},
	} {
		if got := inHost(test.args...); got != test.want {
			t.Errorf("%q: got %+v, want %+v", test.args, got, test.want)
		}
	}
}

func TestRebootLastsUntilTheHostIsUp(t *testing.T) {
	fakeHost(t, func(w *wire) {
		for range 2 {
			if j, err := receiveJob(w); err != nil || j.Args[0] != "systemctl" {
				return
			}
			_ = w.send(frameExit, []byte{0})
			_ = w.send(frameReady, nil)
		}
	})
	for range 2 {
		if got, want := inHost("--reboot"), (result{}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestHostThatStartsAnewByItself(t *testing.T) {
	fakeHost(t, func(w *wire) {
		_, _ = receiveJob(w)
		_ = w.send(frameReady, nil)
	})
	want := result{"", "rslab: the host started anew, and nobody had asked for it\n", 125}
	for range 2 {
		if got := inHost("true"); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestNoHost(t *testing.T) {
	t.Setenv(hostVariable, "")
	want := result{"", "rslab: in: there is no host here: rslab host -- COMMAND runs COMMAND beside one\n", 125}
	if got := inHost("true"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	t.Setenv(hostVariable, "@rslab-nobody")
	want = result{"", "rslab: in: the host is gone: dial unix @rslab-nobody: connect: connection refused\n", 125}
	if got := inHost("true"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

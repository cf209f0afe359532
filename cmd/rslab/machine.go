package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// bootLimit is how long a machine may take until it asks for its job: seconds where nothing else runs.
const bootLimit = 2 * time.Minute

// kvmLimit is how long KVM has to prove itself. Where it works, a boot takes two seconds.
const kvmLimit = 20 * time.Second

// machine is a running guest.
type machine struct {
	cmd     *exec.Cmd
	port    *os.File
	wire    *wire
	console *tail
	stderr  *tail
}

// machineFailure is the error of a machine that could not do its job, and what its console said last.
type machineFailure struct {
	reason  string
	console string
}

func (f *machineFailure) Error() string { return f.reason }

// boot starts a machine and waits until it is ready for its job.
func boot(ctx context.Context, k kernel, h hardware, initramfs []byte, console *tail, limit time.Duration) (*machine, error) {
	m, err := startQemu(k, h, initramfs, console)
	if err != nil {
		return nil, err
	}
	late := &machineFailure{reason: fmt.Sprintf("kernel %s did not come up within %v", k.version, limit)}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, late)
	defer cancel()
	ready := make(chan error, 1)
	go func() {
		kind, payload, err := m.wire.receive()
		if err == nil && kind != frameReady {
			err = &machineFailure{reason: string(payload)}
		}
		ready <- err
	}()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, m.failure(err)
	}
	return m, nil
}

// kill ends the machine at once, and returns when nothing of it is left. It is safe to repeat.
func (m *machine) kill() error {
	_ = m.cmd.Process.Kill()
	m.port.Close()
	return m.cmd.Wait()
}

// failure kills the machine and makes of err the best explanation there is: the guest's own word, else qemu's, else
// the kernel's.
func (m *machine) failure(err error) error {
	var failed *machineFailure
	if !errors.As(err, &failed) {
		if !lostPort(err) {
			_ = m.kill()
			return err
		}
		// The port closed before the process ended; its exit status is worth the wait.
		time.AfterFunc(time.Second, func() { _ = m.cmd.Process.Kill() })
		failed = &machineFailure{reason: m.causeOfDeath(m.cmd.Wait())}
	}
	_ = m.kill()
	failed.console = m.console.String()
	return failed
}

func lostPort(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (m *machine) causeOfDeath(err error) string {
	if lines := strings.TrimSpace(m.stderr.String()); lines != "" {
		return lines[strings.LastIndex(lines, "\n")+1:]
	}
	for _, text := range []string{"rslab: ", "Kernel panic", "BUG: "} {
		if line, ok := m.console.find(text); ok {
			return "the machine died: " + strings.TrimPrefix(line, "rslab: ")
		}
	}
	if err == nil {
		return "the machine powered off before the command ended"
	}
	return fmt.Sprintf("%s: %v", qemu, err)
}

// run gives a ready machine its job, copies the output as it comes, and returns the command's exit code. The machine
// is gone when run returns.
func (m *machine) run(ctx context.Context, j job, stdout, stderr io.Writer) (outcome, error) {
	j.Clock = time.Now().UnixNano()
	if err := m.wire.sendJob(j); err != nil {
		return outcome{}, m.failure(err)
	}
	done := make(chan outcome, 1)
	go func() { done <- m.listen(j.Outputs, stdout, stderr) }()
	signal := func(s syscall.Signal) { _ = m.wire.send(frameSignal, []byte{byte(s)}) }
	result := supervise(ctx, done, signal, func() { _ = m.kill() })
	if result.err != nil {
		return result, m.failure(result.err)
	}
	_ = m.kill()
	return result, nil
}

// listen handles what the guest says until it says no more.
func (m *machine) listen(outputs []string, stdout, stderr io.Writer) outcome {
	files := newUnpacking(outputs)
	for {
		kind, payload, err := m.wire.receive()
		if err != nil {
			files.abort(err)
			return outcome{err: err}
		}
		switch kind {
		case frameStdout:
			_, err = stdout.Write(payload)
		case frameStderr:
			_, err = stderr.Write(payload)
		case frameFiles:
			files.write(payload)
		case frameExit:
			got, err := files.finish()
			return outcome{code: int(payload[0]), got: got, err: err}
		case frameFailed:
			err = &machineFailure{reason: string(payload)}
		}
		if err != nil {
			files.abort(err)
			return outcome{err: err}
		}
	}
}

// unpacking is unpackOutputs fed piece by piece.
type unpacking struct {
	w    *io.PipeWriter
	done chan struct{}
	got  map[string]bool
	err  error
}

func newUnpacking(paths []string) *unpacking {
	r, w := io.Pipe()
	u := &unpacking{w: w, done: make(chan struct{})}
	go func() {
		u.got, u.err = unpackOutputs(r, paths)
		// What follows the archive's end is padding; and after an error nobody must wait for a reader.
		_, _ = io.Copy(io.Discard, r)
		close(u.done)
	}()
	return u
}

func (u *unpacking) write(p []byte) { _, _ = u.w.Write(p) }

func (u *unpacking) abort(err error) { u.w.CloseWithError(err) }

// finish returns which paths have been written.
func (u *unpacking) finish() (map[string]bool, error) {
	u.w.Close()
	<-u.done
	return u.got, u.err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// outcome is how a command ended.
type outcome struct {
	code int
	got  map[string]bool // the paths carried out
	err  error           // why there is no code
}

// timeLimit is the cause of a command's end when its time was up.
type timeLimit time.Duration

func (t timeLimit) Error() string {
	return fmt.Sprintf("time limit of %v reached, command killed", time.Duration(t))
}

// signalled is the cause of a command's end when rslab was told to stop.
type signalled struct{ signal syscall.Signal }

func (s signalled) Error() string { return "stopped by signal: " + s.signal.String() }

// withSignals returns a context that the first signal to stop cancels, with signalled as its cause. The second one
// has the effect that it has on any program.
func withSignals(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			cancel(signalled{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// How long a command has to end by itself, once it has been told to.
const (
	graceAfterSignal = 10 * time.Second
	graceAfterLimit  = 3 * time.Second
)

// supervise waits for a command to be done. When ctx ends first, it passes the signal on (SIGQUIT at the time limit:
// a Go program then prints where it hangs), gives the command time to end by itself, and kills it. A command that
// ends by itself after a signal has the say over its exit code; one that ran into the limit has not.
func supervise(ctx context.Context, done <-chan outcome, signal func(syscall.Signal), kill func()) outcome {
	select {
	case result := <-done:
		return result
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	stop, grace := syscall.SIGQUIT, graceAfterLimit
	if s, ok := cause.(signalled); ok {
		stop, grace = s.signal, graceAfterSignal
	}
	signal(stop)
	select {
	case result := <-done:
		if _, ok := cause.(signalled); ok {
			return result
		}
	case <-time.After(grace):
		kill()
	}
	return outcome{err: cause}
}

// superviseProcess does that for a process that has been started, and returns its exitCode as an error, or why there is
// none.
func superviseProcess(ctx context.Context, cmd *exec.Cmd) error {
	done := make(chan outcome, 1)
	go func() {
		err := cmd.Wait()
		var exited *exec.ExitError
		if errors.As(err, &exited) || errors.Is(err, exec.ErrWaitDelay) {
			err = nil
		}
		done <- outcome{code: shellCode(cmd.ProcessState.Sys().(syscall.WaitStatus)), err: err}
	}()
	result := supervise(ctx, done, func(s syscall.Signal) { _ = cmd.Process.Signal(s) }, func() {
		_ = cmd.Process.Kill()
		<-done
	})
	if result.err == nil && result.code != 0 {
		return exitCode(result.code)
	}
	return result.err
}

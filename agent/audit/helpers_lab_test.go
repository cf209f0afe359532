//go:build lab

package audit

import (
	"context"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const conf = "/proc/sys/net/ipv4/conf/"

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// inNamespaces puts the test's goroutine into namespaces of its own. The
// thread is never unlocked, so that it ends with the goroutine.
func inNamespaces(t testing.TB, flags int) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(flags); err != nil {
		t.Fatalf("unshare: %v", err)
	}
	if flags&unix.CLONE_NEWNS != 0 {
		sh(t, "mount --make-rprivate /")
	}
}

// netNS is the inode of the network namespace of the calling thread.
func netNS(t testing.TB) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// sh runs a script in the namespaces of the calling thread.
func sh(t testing.TB, script string) string {
	t.Helper()
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// A writer is a process that stays, after what it was started for, until end.
type writer struct {
	*exec.Cmd
	leave io.Closer
}

func start(t testing.TB, name string, args ...string) writer {
	t.Helper()
	w := writer{Cmd: exec.Command(name, args...)}
	w.Stderr = os.Stderr
	in, err := w.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.leave = in
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w writer) end(t testing.TB) {
	t.Helper()
	_ = w.leave.Close()
	if err := w.Wait(); err != nil {
		t.Fatalf("%s: %v", w, err)
	}
}

func mustOpen(t testing.TB, o Options) *Writes {
	t.Helper()
	w, err := OpenWrites(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// A listener is a Run of Writes.
type listener struct {
	writes chan Write
	lost   atomic.Int64
}

func listen(t testing.TB, w *Writes) *listener {
	t.Helper()
	l := &listener{writes: make(chan Write, 100_000)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- w.Run(ctx, func(w Write) { l.writes <- w }, func() { l.lost.Add(1) })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return l
}

// next is the next write.
func (l *listener) next(t testing.TB) Write {
	t.Helper()
	select {
	case w := <-l.writes:
		return w
	case <-time.After(patience):
		t.Fatalf("no write; lost %d times", l.lost.Load())
		return Write{}
	}
}

// until gathers writes up to the one to a key.
func (l *listener) until(t testing.TB, key string) []Write {
	t.Helper()
	var all []Write
	for {
		w := l.next(t)
		if w.Key == key {
			return all
		}
		all = append(all, w)
	}
}

// eventually waits for a condition that the kernel brings about in its own time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// files are the open files of this process that the audit may have opened.
func files(t testing.TB) string {
	t.Helper()
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range dir {
		to, _ := os.Readlink("/proc/self/fd/" + f.Name())
		if strings.Contains(to, "bpf") || strings.Contains(to, "cgroup") || strings.HasPrefix(to, conf) {
			all = append(all, to)
		}
	}
	return strings.Join(all, " ")
}

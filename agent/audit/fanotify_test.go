package audit

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// encode is an event as the kernel writes it, with so much behind it.
func encode(t testing.TB, e event, extra int) []byte {
	t.Helper()
	var b bytes.Buffer
	err := binary.Write(&b, binary.NativeEndian, unix.FanotifyEventMetadata{
		Event_len: uint32(eventLen + extra), Vers: unix.FANOTIFY_METADATA_VERSION, Metadata_len: eventLen,
		Mask: e.mask, Fd: int32(e.fd), Pid: int32(e.pid),
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), make([]byte, extra)...)
}

func TestParseEvents(t *testing.T) {
	t.Parallel()
	one, two := event{unix.FAN_MODIFY, 7, 4321}, event{unix.FAN_Q_OVERFLOW, unix.FAN_NOFD, 0}
	both := append(encode(t, one, 16), encode(t, two, 0)...)
	for _, row := range []struct {
		name string
		buf  []byte
		want []event
	}{
		{"nothing", nil, nil},
		{"two", both, []event{one, two}},
		{"cut off", both[:len(both)-1], []event{one}},
		{"a length of nothing", make([]byte, eventLen), nil},
	} {
		if diff := cmp.Diff(row.want, parseEvents(row.buf), cmp.AllowUnexported(event{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

// told is what an event comes to: a write's key, "lost", or nothing.
func told(e event) (got string) {
	e.tell(func(w Write) { got += w.Key }, func() { got += "lost" })
	return got
}

func TestEventOverflowIsALoss(t *testing.T) {
	t.Parallel()
	if got := told(event{mask: unix.FAN_Q_OVERFLOW, fd: unix.FAN_NOFD}); got != "lost" {
		t.Errorf("got %q", got)
	}
	if got := told(event{mask: unix.FAN_MODIFY, fd: unix.FAN_NOFD}); got != "lost" {
		t.Errorf("no file: got %q", got)
	}
}

func TestEventFilesAreClosed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/sys/net/ipv4/conf/tunl0"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, want string }{
		{"rp_filter", "net/ipv4/conf/tunl0/rp_filter"},
		{"../../tcp_ecn", ""},
	} {
		path := filepath.Join(dir, row.name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := told(event{mask: unix.FAN_MODIFY, fd: fd}); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
		if path, err := os.Readlink("/proc/self/fd/" + itoa(fd)); err == nil && strings.Contains(path, dir) {
			t.Errorf("%s is still open", path)
		}
	}
}

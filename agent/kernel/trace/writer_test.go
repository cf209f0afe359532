package trace

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestParseStatus(t *testing.T) {
	t.Parallel()
	const uids = "Umask:\t0022\nState:\tR (running)\nUid:\t1000\t0\t0\t0\nGid:\t1\t1\t1\t1\n"
	for _, row := range []struct {
		name, status, comm string
		uid                int
		ok                 bool
	}{
		{name: "plain", status: "Name:\tsysctl\n" + uids, comm: "sysctl", uid: 1000, ok: true},
		{name: "blanks and colons", status: "Name:\tNet work: 1 \n" + uids, comm: "Net work: 1 ", uid: 1000, ok: true},
		{name: "escapes", status: "Name:\ta\\nUid:\\\\n\n" + uids, comm: "a\nUid:\\n", uid: 1000, ok: true},
		{name: "no name", status: uids, uid: 1000},
		{name: "cut off", status: "Name:\tsysctl\n", uid: -1},
		{name: "no number", status: "Name:\tsysctl\nUid:\tx\n", uid: -1},
		{name: "nothing", uid: -1},
	} {
		comm, uid, ok := parseStatus(row.status)
		if comm != row.comm || uid != row.uid || ok != row.ok {
			t.Errorf("%s: got %q %d %v, want %q %d %v", row.name, comm, uid, ok, row.comm, row.uid, row.ok)
		}
	}
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	w := Write{PID: os.Getpid(), UID: -1}
	w.identify()
	if w.Comm != strings.TrimSpace(string(comm)) || w.UID != os.Getuid() || w.NetNS == 0 {
		t.Errorf("got %+v", w)
	}
	gone := Write{PID: math.MaxInt32, UID: -1}
	gone.identify()
	if diff := cmp.Diff(Write{PID: math.MaxInt32, UID: -1}, gone); diff != "" {
		t.Errorf("a process that is gone (-want +got):\n%s", diff)
	}
	stranger := Write{UID: -1}
	stranger.identify()
	if diff := cmp.Diff(Write{UID: -1}, stranger); diff != "" {
		t.Errorf("a process of another namespace (-want +got):\n%s", diff)
	}
}

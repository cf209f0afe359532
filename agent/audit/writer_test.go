package audit

import (
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestParseStatus(t *testing.T) {
	t.Parallel()
	const uids = "Umask:\t0022\nState:\tR (running)\nUid:\t1000\t0\t0\t0\nGid:\t1\t1\t1\t1\nThreads:\t1\n"
	for _, row := range []struct {
		name, status, comm string
		uid                int
		single, ok         bool
	}{
		{name: "plain", status: "Name:\tsysctl\n" + uids, comm: "sysctl", uid: 1000, single: true, ok: true},
		{name: "blanks and colons", status: "Name:\tNet work: 1 \n" + uids, comm: "Net work: 1 ", uid: 1000, single: true, ok: true},
		{name: "escapes", status: "Name:\ta\\nUid:\\\\n\n" + uids, comm: "a\nUid:\\n", uid: 1000, single: true, ok: true},
		{name: "threads", status: "Name:\tperl\nUid:\t0\t0\t0\t0\nThreads:\t11\n", comm: "perl", ok: true},
		{name: "no name", status: uids, uid: 1000, single: true},
		{name: "no threads", status: "Name:\tperl\nUid:\t0\t0\t0\t0\n", uid: -1},
		{name: "cut off", status: "Name:\tsysctl\n", uid: -1},
		{name: "no number", status: "Name:\tsysctl\nUid:\tx\n", uid: -1},
		{name: "nothing", uid: -1},
	} {
		comm, uid, single, ok := parseStatus(row.status)
		if comm != row.comm || uid != row.uid || single != row.single || ok != row.ok {
			t.Errorf("%s: got %q %d %v %v, want %q %d %v %v", row.name, comm, uid, single, ok, row.comm, row.uid, row.single, row.ok)
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
	// Of a process with threads it is not known which namespace wrote.
	if w.Comm != strings.TrimSpace(string(comm)) || w.UID != os.Getuid() || w.NetNS != 0 {
		t.Errorf("got %+v", w)
	}
	child := exec.Command("cat")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close(); _ = child.Wait() }()
	single := Write{PID: child.Process.Pid, UID: -1}
	single.identify()
	if single.Comm == "" || single.NetNS == 0 {
		t.Errorf("a process with one thread: %+v", single)
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

//go:build lab

package audit

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// A batch does not wake the reader for what the kernel announces itself, and loses
// nothing by it: it comes, in its order, on Flush, with the next other write, and
// before the ring is full.
func TestBatch(t *testing.T) {
	const (
		filter, forward = "net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/forwarding"
		ignore          = "net/ipv4/conf/all/arp_ignore"
		room            = 4096
	)
	inNamespaces(t, unix.CLONE_NEWNET)
	s := mustOpen(t, Options{Batch: true, Buffer: room})
	l := listen(t, s)
	write := func(keys ...string) {
		sh(t, "cd /proc/sys; for key in "+strings.Join(keys, " ")+"; do echo 1 >$key; done")
	}
	expect := func(keys ...string) {
		t.Helper()
		var got []string
		for range keys {
			got = append(got, l.next(t).Key)
		}
		if diff := cmp.Diff(keys, got); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
	}
	write(ignore)
	expect(ignore)
	time.Sleep(2 * settle) // after which it waits without a deadline
	write(filter, forward)
	select {
	case w := <-l.writes:
		t.Errorf("woken for %s", w.Key)
	case <-time.After(2 * settle):
	}
	s.Flush()
	expect(filter, forward)
	time.Sleep(2 * settle)
	write(filter, ignore)
	expect(filter, ignore)
	time.Sleep(2 * settle)
	half := strings.Repeat(filter+" ", room/2/recordLen+2)
	write(strings.Fields(half)...)
	expect(strings.Fields(half)...)
	if n := l.lost.Load(); n > 0 {
		t.Errorf("%d times lost", n)
	}
}

//go:build lab

package audit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// Every write of a storm is delivered, or the loss of some is.
func TestStorm(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	l := listen(t, mustOpen(t, Options{}))
	sh(t, `i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo $((i%3)) >`+conf+`all/arp_announce; done; echo 1 >/proc/sys/net/ipv4/ip_forward`)
	all := l.until(t, "net/ipv4/ip_forward")
	if l.lost.Load() == 0 && len(all) != 1000 {
		t.Errorf("got %d writes, none lost", len(all))
	}
	for i, w := range all {
		if want := fmt.Sprint((i + 1) % 3); l.lost.Load() == 0 && (w.New != want || i > 0 && w.Old != all[i-1].New) {
			t.Fatalf("write %d: got %+v, want %s", i, w, want)
		}
	}
	t.Logf("%d writes, lost %d times", len(all), l.lost.Load())
}

// keys are the keys of n devices, a thousand for 50.
func keys(t testing.TB, n int) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	var links strings.Builder
	for i := range n {
		fmt.Fprintf(&links, "link add d%d type dummy\n", i)
		for key := range strings.FieldsSeq(oneDevice) {
			all[fmt.Sprintf("net/ipv4/conf/d%d/%s", i, key)] = true
		}
	}
	sh(t, "modprobe dummy numdummies=0; ip -batch - <<.\n"+links.String()+".\n")
	return all
}

const oneDevice = `accept_local arp_accept arp_announce arp_filter arp_ignore arp_notify bootp_relay disable_policy
	disable_xfrm force_igmp_version log_martians medium_id promote_secondaries proxy_arp proxy_arp_pvlan rp_filter
	secure_redirects send_redirects shared_media src_valid_mark`

// everyKey is a script that writes each of them once.
func everyKey() string {
	return "cd " + conf + "; for k in " + strings.Join(strings.Fields(oneDevice), " ") + "; do for d in d[0-9]*; do echo 0 >$d/$k; done; done"
}

func TestStormOverManyKeys(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	want := keys(t, 50)
	l := listen(t, mustOpen(t, Options{}))
	sh(t, everyKey()+"; echo 1 >/proc/sys/net/ipv4/ip_forward")
	got := map[string]bool{}
	for _, w := range l.until(t, "net/ipv4/ip_forward") {
		got[w.Key] = true
	}
	if diff := cmp.Diff(want, got); diff != "" && l.lost.Load() == 0 {
		t.Errorf("keys (-want +got), none lost:\n%s", diff)
	}
	t.Logf("%d keys, lost %d times", len(got), l.lost.Load())
}

// The ring overflows while no Run reads it.
func TestLossIsReported(t *testing.T) {
	inNamespaces(t, unix.CLONE_NEWNET)
	keys(t, 50)
	w := mustOpen(t, Options{Buffer: 4096})
	sh(t, everyKey())
	l := listen(t, w)
	eventually(t, "a loss", func() bool { return l.lost.Load() > 0 })
	if n := len(l.writes); n == 0 || n >= 1000 {
		t.Errorf("got %d writes", n)
	}
	for len(l.writes) > 0 {
		<-l.writes
	}
	sh(t, "echo 1 >/proc/sys/net/ipv4/ip_forward")
	l.until(t, "net/ipv4/ip_forward")
}

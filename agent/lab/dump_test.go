package lab

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStable(t *testing.T) {
	const first = `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: eth0@if5: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 \    link/ether 0a:00:00:00:00:01
2: eth0    inet6 fe80::1/64 scope link tentative \       valid_lft forever preferred_lft forever
`
	const second = `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 addrgenmode eui64
7: eth0@if8: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 \    link/ether 0a:00:00:00:00:01
7: eth0    inet6 fe80::1/64 scope link \       valid_lft forever preferred_lft forever
`
	want := `lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN mode DEFAULT group default qlen 1000 link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 link/ether 0a:00:00:00:00:01
eth0 inet6 fe80::1/64 scope link valid_lft forever preferred_lft forever
`
	for _, text := range []string{first, second} {
		if diff := cmp.Diff(want, stable(text)); diff != "" {
			t.Errorf("stable (-want +got):\n%s", diff)
		}
	}
}

func TestReadConf(t *testing.T) {
	dir := t.TempDir()
	for key, value := range map[string]string{"tunl0/rp_filter": "0\n", "all/rp_filter": "1\n", "all/arp_ignore": "1\n"} {
		file := filepath.Join(dir, key)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readConf(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("all/arp_ignore = 1\nall/rp_filter = 1\ntunl0/rp_filter = 0\n", got); diff != "" {
		t.Errorf("readConf (-want +got):\n%s", diff)
	}
}

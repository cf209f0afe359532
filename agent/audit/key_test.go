package audit

import "testing"

func TestKeyOf(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/proc/sys/net/ipv4/conf/all/rp_filter":              "net/ipv4/conf/all/rp_filter",
		"/proc/sys/net/ipv4/conf/eth0.100/arp_ignore":        "net/ipv4/conf/eth0.100/arp_ignore",
		"/proc/sys/net/ipv4/conf/sys/arp_ignore":             "net/ipv4/conf/sys/arp_ignore",
		"/srv/sys/root/proc/sys/net/ipv4/ip_forward":         "net/ipv4/ip_forward",
		"/proc/sys/net/ipv4/conf/d0/arp_ignore (deleted)":    "net/ipv4/conf/d0/arp_ignore",
		"/proc/sys/net/ipv4/ip_forward_use_pmtu":             "",
		"/proc/sys/net/ipv4/tcp_ecn":                         "",
		"/proc/sys/net/ipv6/conf/all/forwarding":             "",
		"/proc/1/oom_score_adj":                              "",
		"/proc/sysrq-trigger":                                "",
		"":                                                   "",
		"net/ipv4/conf/all/rp_filter":                        "",
		"/proc/sys/net/ipv4/config/something/else/rp_filter": "",
	} {
		key, ok := keyOf(path)
		if ok != (want != "") || ok && key != want {
			t.Errorf("%s: got %q, %v, want %q", path, key, ok, want)
		}
	}
}

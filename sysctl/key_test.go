package sysctl

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeyText(t *testing.T) {
	rows := []struct {
		key  Key
		text string
	}{
		{Key{Scope: All, Name: RPFilter}, "net.ipv4.conf.all.rp_filter"},
		{Key{Scope: "tunl0", Name: ARPIgnore}, "net.ipv4.conf.tunl0.arp_ignore"},
		{Key{Scope: "eth0.100", Name: ARPAnnounce}, "net.ipv4.conf.eth0/100.arp_announce"},
		{Key{Scope: "a.b.c", Name: "forwarding"}, "net.ipv4.conf.a/b/c.forwarding"},
		{Key{Family: IPv6, Scope: "eth0.100", Name: "disable_ipv6"}, "net.ipv6.conf.eth0/100.disable_ipv6"},
	}
	for _, row := range rows {
		if got := row.key.String(); got != row.text {
			t.Errorf("%#v: got %q, want %q", row.key, got, row.text)
		}
		got, err := ParseKey(row.text)
		if err != nil || got != row.key {
			t.Errorf("%q: got %#v, %v, want %#v", row.text, got, err, row.key)
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	for _, s := range []string{
		"", "net.ipv4.conf.", "net.ipv4.conf.all", "net.ipv4.conf.all.", "net.ipv4.conf..rp_filter",
		"net.ipv4.ip_forward", "net.ipv6.conf.all", "net.ipv6.conf..forwarding", "net.ipv5.conf.all.forwarding", "net.ipv4.conf.eth0.100.rp_filter", "net.ipv4.conf.all.rp/filter",
	} {
		if k, err := ParseKey(s); err == nil {
			t.Errorf("%q is taken for %#v", s, k)
		}
	}
}

// Whatever is accepted comes back as it went in.
func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"net.ipv4.conf.all.rp_filter", "net.ipv4.conf.eth0/100.arp_ignore", "net.ipv4.conf.eth0.100.x", "net.ipv6.conf.all.disable_ipv6", "net.ipv4.conf./.x", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseKey(s)
		if err != nil {
			if k != (Key{}) {
				t.Errorf("%q: an error and %#v", s, k)
			}
			return
		}
		if k.String() != s {
			t.Errorf("%q became %q", s, k)
		}
		if k.Scope == "" || k.Name == "" || strings.ContainsAny(k.Name, "./") || strings.Contains(k.Scope, "/") {
			t.Errorf("%q became %#v", s, k)
		}
	})
}

func TestKeyInJSON(t *testing.T) {
	want := map[Key]int{{Scope: All, Name: RPFilter}: 1, {Scope: "eth0.100", Name: ARPIgnore}: 2}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"net.ipv4.conf.all.rp_filter":1,"net.ipv4.conf.eth0/100.arp_ignore":2}`, string(b)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	var got map[Key]int
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[Key]int{{Scope: All, Name: RPFilter}: 1, {Scope: "eth0.100", Name: ARPIgnore}: 2}, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`{"kernel.hostname":1}`), &got); err == nil {
		t.Error("a foreign key was accepted")
	}
}

func TestCompare(t *testing.T) {
	order := []Key{
		{Scope: All, Name: ARPIgnore}, {Scope: "eth0", Name: ARPIgnore}, {Scope: "tunl0", Name: ARPIgnore},
		{Scope: All, Name: ARPAnnounce}, {Scope: "eth0", Name: ARPAnnounce},
		{Scope: All, Name: RPFilter}, {Scope: Default, Name: RPFilter}, {Scope: "tunl0", Name: RPFilter},
		{Scope: All, Name: "forwarding"}, {Scope: "a", Name: "forwarding"}, {Scope: All, Name: "log_martians"},
		{Family: IPv6, Scope: All, Name: "forwarding"}, {Family: IPv6, Scope: "eth0", Name: "forwarding"},
	}
	for i, a := range order {
		for j, b := range order {
			got := Compare(a, b)
			if sign(got) != sign(i-j) {
				t.Errorf("Compare(%s, %s) = %d, want the sign of %d", a, b, got, i-j)
			}
		}
	}
	shuffled := slices.Clone(order)
	slices.Reverse(shuffled)
	slices.SortFunc(shuffled, Compare)
	if diff := cmp.Diff(order, shuffled); diff != "" {
		t.Errorf("sorted (-want +got):\n%s", diff)
	}
}

func sign(n int) int { return min(1, max(-1, n)) }

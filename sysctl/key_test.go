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
		{Key{All, RPFilter}, "net.ipv4.conf.all.rp_filter"},
		{Key{"tunl0", ARPIgnore}, "net.ipv4.conf.tunl0.arp_ignore"},
		{Key{"eth0.100", ARPAnnounce}, "net.ipv4.conf.eth0/100.arp_announce"},
		{Key{"a.b.c", "forwarding"}, "net.ipv4.conf.a/b/c.forwarding"},
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
		"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv4.conf.eth0.100.rp_filter", "net.ipv4.conf.all.rp/filter",
	} {
		if k, err := ParseKey(s); err == nil {
			t.Errorf("%q is taken for %#v", s, k)
		}
	}
}

// Whatever is accepted comes back as it went in.
func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"net.ipv4.conf.all.rp_filter", "net.ipv4.conf.eth0/100.arp_ignore", "net.ipv4.conf.eth0.100.x", "net.ipv4.conf./.x", "x"} {
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
	want := map[Key]int{{All, RPFilter}: 1, {"eth0.100", ARPIgnore}: 2}
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
	if diff := cmp.Diff(map[Key]int{{All, RPFilter}: 1, {"eth0.100", ARPIgnore}: 2}, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`{"kernel.hostname":1}`), &got); err == nil {
		t.Error("a foreign key was accepted")
	}
}

func TestCompare(t *testing.T) {
	order := []Key{
		{All, ARPIgnore}, {"eth0", ARPIgnore}, {"tunl0", ARPIgnore},
		{All, ARPAnnounce}, {"eth0", ARPAnnounce},
		{All, RPFilter}, {Default, RPFilter}, {"tunl0", RPFilter},
		{All, "forwarding"}, {"a", "forwarding"},
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

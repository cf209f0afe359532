package linux

import (
	"os"
	"testing"

	"rsagent/sysctl"
)

// However many devices come and go, no keys of theirs stay open.
func TestSettingsKeepFewOpen(t *testing.T) {
	s := settings{tree: sysctl.Open("")}
	defer func() { _ = s.close() }()
	if _, err := s.read(sysctl.Key{Scope: sysctl.All, Name: sysctl.RPFilter}); err != nil {
		t.Fatal(err)
	}
	devices, err := os.ReadDir("/proc/sys/net/ipv4/conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		for _, name := range sysctl.Names {
			key := sysctl.Key{Scope: d.Name(), Name: name}
			want, err := s.tree.Read(key)
			if err != nil {
				continue // gone meanwhile
			}
			if got, err := s.read(key); err != nil || got != want {
				t.Errorf("%s: got %d, %v, want %d", key, got, err, want)
			}
		}
	}
	for key := range s.open {
		if !shared(key) {
			t.Errorf("%s is open", key)
		}
	}
}

package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestChangeDetector(t *testing.T) {
	a, b := fingerprint{inode: 1, size: 10}, fingerprint{inode: 1, size: 20}
	c, none := fingerprint{inode: 2, size: 20}, fingerprint{}
	for _, tt := range []struct {
		name string
		seen []fingerprint
		want []bool
	}{
		{"the same", []fingerprint{a, a, a}, []bool{false, false, false}},
		{"changed, once settled", []fingerprint{a, b, b, b}, []bool{false, false, true, false}},
		{"while it is written", []fingerprint{a, b, c, c}, []bool{false, false, false, true}},
		{"there and back", []fingerprint{a, b, a, a}, []bool{false, false, false, false}},
		{"gone, then back as it was", []fingerprint{a, none, none, a, a}, []bool{false, false, false, false, false}},
		{"gone, then another", []fingerprint{a, none, none, c, c}, []bool{false, false, false, false, true}},
	} {
		s := changeDetector{known: a, last: a}
		for i, f := range tt.seen {
			if got := s.look(f); got != tt.want[i] {
				t.Errorf("%s: look %d says %v, want %v", tt.name, i, got, tt.want[i])
			}
		}
	}
}

// A file that is replaced, as config management does it, is noticed within two
// looks, and no more than once.
func TestWatchFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "rsagent.yaml")
		write := func(content string) {
			if err := os.WriteFile(path+".new", []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		}
		write("a")
		ctx, cancel := context.WithCancel(t.Context())
		changes := 0
		done := make(chan struct{})
		go func() { defer close(done); watchFile(ctx, path, fingerprintOf(path), func() { changes++ }) }()
		time.Sleep(10 * watchPace)
		write("bb")
		time.Sleep(2*watchPace + watchPace/2)
		synctest.Wait()
		if changes != 1 {
			t.Errorf("%d changes after two looks, want 1", changes)
		}
		time.Sleep(10 * watchPace)
		cancel()
		<-done
		if changes != 1 {
			t.Errorf("%d changes, want 1", changes)
		}
	})
}

// A file that was replaced after it was read, and before the first look, has
// changed.
func TestWatchFileFromWhatWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "rsagent.yaml")
		if err := os.WriteFile(path, []byte("a"), 0o644); err != nil {
			t.Fatal(err)
		}
		read := fingerprintOf(path)
		if err := os.WriteFile(path, []byte("bb"), 0o644); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		changes := 0
		done := make(chan struct{})
		go func() { defer close(done); watchFile(ctx, path, read, func() { changes++ }) }()
		time.Sleep(10 * watchPace)
		cancel()
		<-done
		if changes != 1 {
			t.Errorf("%d changes, want 1", changes)
		}
	})
}

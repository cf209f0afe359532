package linux

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
)

// Whatever happens to the record, a cached store loads what an uncached one does.
func TestCachedStoreLoadsTheSame(t *testing.T) {
	s := FileStore{Dir: t.TempDir()}
	cached := s.Cached()
	other := found()
	other.Device = "tunl9"
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"nothing there", func() error { return nil }},
		{"saved", func() error { return cached.Save(found()) }},
		{"saved by another", func() error { return s.Save(other) }},
		{"saved by another again", func() error { return s.Save(found()) }},
		{"removed", s.Remove},
		{"saved after that", func() error { return s.Save(other) }},
		{"written in place", func() error { time.Sleep(20 * time.Millisecond); return os.WriteFile(s.path(), []byte("{"), 0o644) }},
		{"damaged still", func() error { return nil }},
		{"cured", func() error { return cached.Save(other) }},
		{"its directory gone", func() error { return os.RemoveAll(s.Dir) }},
		{"its directory back", func() error { return s.Save(found()) }},
		{"its directory moved away", func() error { defer time.Sleep(lookUp); return os.Rename(s.Dir, s.Dir+".old") }},
		{"another directory", func() error { return s.Save(other) }},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		for range 2 {
			want, wantErr := s.Load()
			got, err := cached.Load()
			if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (wantErr == nil) {
				t.Errorf("%s: %v, want %v (-want +got):\n%s", step.name, err, wantErr, diff)
			}
		}
	}
}

// The lock is on the file that others find, also after somebody has removed it.
func TestCachedStoreHoldsWhatOthersFind(t *testing.T) {
	s := FileStore{Dir: filepath.Join(t.TempDir(), "state")}
	cached := s.Cached()
	for _, gone := range []func() error{
		func() error { return os.Remove(filepath.Join(s.Dir, passLock)) },
		func() error { return os.RemoveAll(s.Dir) },
		func() error { defer time.Sleep(lookUp); return os.Rename(s.Dir, s.Dir+".old") },
		func() error { return nil },
	} {
		excludes(t, cached, s.Cached())
		excludes(t, s.Cached(), cached)
		if err := gone(); err != nil {
			t.Fatal(err)
		}
	}
}

// excludes holds the directory by one, which the other then cannot.
func excludes(t *testing.T, one, other agent.Store) {
	t.Helper()
	release, err := one.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	refuses(t, other)
}

func refuses(t *testing.T, s agent.Store) {
	t.Helper()
	hasty, cancel := context.WithCancel(t.Context())
	cancel() // who cannot have it at once gives up
	if _, err := s.Hold(hasty); err == nil {
		t.Error("held twice")
	}
}

// Try takes the lock that others take, only if it is free, and only on the
// record that was had last.
func TestCachedStoreTry(t *testing.T) {
	s := FileStore{Dir: t.TempDir()}
	cached := s.Cached()
	try := func(when string, want bool) {
		t.Helper()
		release, free := cached.Try()
		if free != want {
			t.Errorf("%s: free %v, want %v", when, free, want)
		}
		if free {
			defer release()
			refuses(t, s.Cached())
		}
	}
	load := func() {
		t.Helper()
		if _, err := cached.Load(); err != nil {
			t.Fatal(err)
		}
	}
	load()
	try("without a record", false)
	if err := cached.Save(found()); err != nil {
		t.Fatal(err)
	}
	try("saved, and not loaded", false)
	load()
	try("loaded", true)
	release, err := s.Cached().Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	try("held by another", false)
	release()
	own, err := cached.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	try("held by ourselves", false)
	own()
	try("free again", true)
	if err := s.Save(found()); err != nil {
		t.Fatal(err)
	}
	try("saved by another", false)
	load()
	try("loaded again", true)
	if err := os.Rename(s.Dir, s.Dir+".old"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(lookUp)
	load()
	try("its directory moved away", false)
}

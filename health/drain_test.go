package health

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestDrainBounds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d, err := NewDrain(now, "  kernel update  ")
	if err != nil || d.Reason != "kernel update" || !d.Until.IsZero() {
		t.Fatalf("%+v, %v", d, err)
	}
	for _, limit := range []time.Duration{-time.Second, 0, MaxDrain + 1, 1 << 62} {
		if _, err := d.For(now, limit); err == nil || !strings.Contains(err.Error(), "30 days") {
			t.Errorf("for %s: %v", limit, err)
		}
	}
	for _, limit := range []time.Duration{1, time.Minute, MaxDrain} {
		if got, err := d.For(now, limit); err != nil || !got.Until.Equal(now.Add(limit)) {
			t.Errorf("for %s: %v, %v", limit, got.Until, err)
		}
	}
	for _, reason := range []string{"a\nb", "a\x00", "\xff", strings.Repeat("é", MaxReason+1)} {
		if _, err := NewDrain(now, reason); err == nil {
			t.Errorf("reason %q was accepted", reason)
		}
	}
	if _, err := NewDrain(now, strings.Repeat("é", MaxReason)); err != nil {
		t.Error(err)
	}
}

func TestDrainFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	now := time.Now()
	if s := ReadDrain(dir, now); s.Draining {
		t.Error("drained without a file")
	}
	if err := ClearDrain(dir); err != nil {
		t.Error("clearing nothing:", err)
	}
	d, _ := NewDrain(now, "disk")
	d, _ = d.For(now, time.Minute)
	if err := WriteDrain(dir, d); err != nil {
		t.Fatal(err)
	}
	s := ReadDrain(dir, now)
	if !s.Draining || s.Reason != "disk" || !s.Until.Equal(d.Until) || !strings.HasSuffix(s.Sentence(), ": disk.") {
		t.Errorf("%+v", s)
	}
	if ReadDrain(dir, now.Add(time.Minute)).Draining {
		t.Error("drained after the end")
	}
	if err := clearExpired(dir, now); err != nil || !ReadDrain(dir, now).Draining {
		t.Error("a drain in force was cleared", err)
	}
	if err := clearExpired(dir, d.Until); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestCorruptDrainFileDrains(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"empty":       func(p string) error { return os.WriteFile(p, nil, 0o644) },
		"null":        func(p string) error { return os.WriteFile(p, []byte("null"), 0o644) },
		"cut short":   func(p string) error { return os.WriteFile(p, []byte(`{"since":"2026-01-`), 0o644) },
		"no since":    func(p string) error { return os.WriteFile(p, []byte(`{"reason":"x"}`), 0o644) },
		"more behind": func(p string) error { return os.WriteFile(p, []byte(`{"since":"2026-01-01T00:00:00Z"} x`), 0o644) },
		"backwards": func(p string) error {
			return os.WriteFile(p, []byte(`{"since":"2026-01-02T00:00:00Z","until":"2026-01-01T00:00:00Z"}`), 0o644)
		},
		"huge":      func(p string) error { return os.WriteFile(p, []byte(strings.Repeat(" ", 1<<20)), 0o644) },
		"directory": func(p string) error { return os.Mkdir(p, 0o755) },
		"pipe":      func(p string) error { return syscall.Mkfifo(p, 0o644) },
		"circle":    func(p string) error { return os.Symlink(p, p) },
	} {
		path := filepath.Join(t.TempDir(), DrainFile)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		s := ReadDrain(filepath.Dir(path), time.Now())
		if !s.Draining || s.Corrupt == "" || !strings.Contains(s.Sentence(), "the drain file "+path+" cannot be read: ") {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// Whoever reads while others write sees a whole drain or none.
func TestDrainFileIsAtomic(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stop := make(chan struct{})
	var writing sync.WaitGroup
	for range 2 {
		writing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				d, _ := NewDrain(time.Now(), "writing")
				if err := WriteDrain(dir, d); err != nil {
					t.Error(err)
				}
				if err := ClearDrain(dir); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2000 {
		if s := ReadDrain(dir, time.Now()); s.Corrupt != "" {
			t.Error(s.Corrupt)
			break
		}
	}
	close(stop)
	writing.Wait()
}

func FuzzParseDrain(f *testing.F) {
	for _, s := range []string{"", "null", "{}", `{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z","reason":"x"}`, "[]", `{"since":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseDrain(b)
		if err != nil {
			return
		}
		if d.Since.IsZero() || len([]rune(d.Reason)) > MaxReason || strings.ContainsAny(d.Reason, "\n\r\x00") {
			t.Errorf("%q: %+v", b, d)
		}
		_ = DrainState{Draining: true, Drain: d}.Sentence()
	})
}

package health

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDrainWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := drainWatch{dir: dir}
	now := time.Now()
	write := func(reason string, limit time.Duration) {
		d, err := NewDrain(now, reason)
		if err == nil && limit > 0 {
			d, err = d.For(now, limit)
		}
		if err == nil {
			err = WriteDrain(dir, d)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(at time.Time, draining bool, reason string) {
		t.Helper()
		for range 2 {
			if s := w.look(at); s.Draining != draining || !strings.Contains(s.Reason, reason) {
				t.Errorf("%+v, want %v %q", s, draining, reason)
			}
		}
	}
	expect(now, false, "")
	write("one", 0)
	expect(now, true, "one")
	write("two", 0)
	expect(now, true, "two")
	write("end", time.Minute)
	expect(now, true, "end")
	expect(now.Add(time.Minute), false, "")
	if _, err := os.Stat(filepath.Join(dir, DrainFile)); !os.IsNotExist(err) {
		t.Error("a drain that is over was left:", err)
	}
	if err := os.WriteFile(filepath.Join(dir, DrainFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(now, true, "cannot be read")
	if err := ClearDrain(dir); err != nil {
		t.Fatal(err)
	}
	expect(now, false, "")
}

func BenchmarkDrainWatch(b *testing.B) {
	dir := b.TempDir()
	d, _ := NewDrain(time.Now(), "x")
	if err := WriteDrain(dir, d); err != nil {
		b.Fatal(err)
	}
	w := drainWatch{dir: dir}
	for b.Loop() {
		w.look(time.Now())
	}
}

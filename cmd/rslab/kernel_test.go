package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fakeCache is a cache whose kernels come from nowhere, and the number of times they did.
func fakeCache(t *testing.T) (*cache, *atomic.Int32) {
	t.Helper()
	var fetched atomic.Int32
	c := &cache{dir: filepath.Join(t.TempDir(), "lab"), notes: io.Discard}
	c.fetch = func(_ context.Context, version, _, dir string) error {
		fetched.Add(1)
		time.Sleep(20 * time.Millisecond)
		writeFile(t, filepath.Join(dir, "vmlinuz"), "image")
		writeFile(t, filepath.Join(dir, "lib/modules", version+".0-56-amd64", "modules.dep"), "")
		return nil
	}
	return c, &fetched
}

func TestKernelIsFetchedOnce(t *testing.T) {
	c, fetched := fakeCache(t)
	var runs sync.WaitGroup
	for range 8 {
		runs.Go(func() {
			k, err := c.kernel(t.Context(), "6.1")
			if err != nil || k.release != "6.1.0-56-amd64" || k.image != filepath.Join(c.dir, "6.1", "vmlinuz") {
				t.Errorf("got %+v, %v", k, err)
			}
		})
	}
	runs.Wait()
	if n := fetched.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	c.fetch = func(context.Context, string, string, string) error { return errors.New("no network") }
	if _, err := c.kernel(t.Context(), "6.1"); err != nil {
		t.Errorf("what is cached needs no network: %v", err)
	}
}

func TestUnknownKernel(t *testing.T) {
	c, fetched := fakeCache(t)
	_, err := c.kernel(t.Context(), "6.2")
	if want := `no kernel "6.2": choose 5.10, 6.1 or 6.12`; errorText(err) != want || fetched.Load() != 0 {
		t.Errorf("got %v", err)
	}
}

func TestRemainsOfKilledFetchAreRecovered(t *testing.T) {
	c, fetched := fakeCache(t)
	// What a run leaves that was killed while it unpacked, and a folder that somebody emptied by half.
	writeFile(t, filepath.Join(c.dir, "6.1.tmp-123/apt/half.deb"), "half")
	writeFile(t, filepath.Join(c.dir, "6.1/vmlinuz"), "image")
	writeFile(t, filepath.Join(c.dir, "6.1.lock"), "")
	if _, err := c.kernel(t.Context(), "6.1"); err != nil || fetched.Load() != 1 {
		t.Fatalf("fetched %d times, %v", fetched.Load(), err)
	}
	if rest, err := filepath.Glob(filepath.Join(c.dir, "6.1.tmp-*")); rest != nil || err != nil {
		t.Errorf("left over: %q, %v", rest, err)
	}
}

func TestFailedFetchLeavesNothing(t *testing.T) {
	c, _ := fakeCache(t)
	c.fetch = func(_ context.Context, _, _, dir string) error {
		writeFile(t, filepath.Join(dir, "vmlinuz"), "half an im")
		return errors.New("apt-get: connection reset")
	}
	_, err := c.kernel(t.Context(), "5.10")
	if want := "kernel 5.10: apt-get: connection reset"; errorText(err) != want {
		t.Errorf("got %v, want %v", err, want)
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "5.10.lock" {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

func TestLockEndsWithTheContext(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(stopped) })
	if _, err := lockFile(ctx, name); !errors.Is(err, stopped) {
		t.Errorf("got %v", err)
	}
}

func TestArrange(t *testing.T) {
	for _, lib := range []string{"lib", "usr/lib"} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "unpacked/boot/vmlinuz-6.12.117+deb13-amd64"), "image")
		writeFile(t, filepath.Join(dir, "unpacked", lib, "modules/6.12.117+deb13-amd64/modules.dep"), "")
		release, err := arrange(filepath.Join(dir, "unpacked"), dir, "6.12")
		if release != "6.12.117+deb13-amd64" || err != nil {
			t.Errorf("%s: got %q, %v", lib, release, err)
		}
		if k, err := readKernel(dir, "6.12"); k.release != release || err != nil {
			t.Errorf("%s: got %+v, %v", lib, k, err)
		}
		if k, err := readKernel(dir, "6.1"); err == nil {
			t.Errorf("%s: 6.12 passes for 6.1: %+v", lib, k)
		}
	}
}

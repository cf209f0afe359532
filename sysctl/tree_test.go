package sysctl

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// tree makes a /proc/sys with the given files under net/ipv4/conf.
func tree(t *testing.T, files map[string]string) Tree {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, "net/ipv4/conf", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Tree{Root: root}
}

func TestTreeReadsAndWrites(t *testing.T) {
	tr := tree(t, map[string]string{"all/rp_filter": "1\n", "eth0.100/rp_filter": "0\n", "eth0/100": "no device\n"})
	for key, old := range map[Key]int{{All, RPFilter}: 1, {"eth0.100", RPFilter}: 0} {
		if got, err := tr.Read(key); err != nil || got != old {
			t.Errorf("%s: got %d, %v, want %d", key, got, err, old)
		}
		if err := tr.Write(key, 2); err != nil {
			t.Error(err)
		}
		if got, err := tr.Read(key); err != nil || got != 2 {
			t.Errorf("%s: got %d, %v after writing 2", key, got, err)
		}
	}
}

// A key that is not there is an error to test for, and is not made.
func TestTreeMakesNothing(t *testing.T) {
	tr := tree(t, map[string]string{"all/rp_filter": "1\n"})
	for _, key := range []Key{{All, ARPIgnore}, {"tunl0", RPFilter}} {
		if _, err := tr.Read(key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("read %s: %v, want fs.ErrNotExist", key, err)
		}
		err := tr.Write(key, 1)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("write %s: %v, want fs.ErrNotExist", key, err)
		}
		if !strings.HasPrefix(err.Error(), "sysctl ") || strings.Contains(err.Error(), tr.Root) {
			t.Errorf("%q, want the key in front and no path", err)
		}
		if _, err := os.Stat(filepath.Join(tr.Root, "net/ipv4/conf", key.Scope, key.Name)); err == nil {
			t.Errorf("%s was made", key)
		}
	}
}

func TestTreeRefusesNames(t *testing.T) {
	tr := tree(t, map[string]string{"all/rp_filter": "1\n"})
	for _, scope := range []string{"", ".", "..", "all/../all", "/"} {
		key := Key{scope, RPFilter}
		if _, err := tr.Read(key); err == nil {
			t.Errorf("scope %q was read", scope)
		}
		if err := tr.Write(key, 0); err == nil {
			t.Errorf("scope %q was written", scope)
		}
	}
	if v, err := tr.Read(Key{All, RPFilter}); err != nil || v != 1 {
		t.Errorf("got %d, %v, want 1", v, err)
	}
}

func TestTreeNotANumber(t *testing.T) {
	tr := tree(t, map[string]string{"all/rp_filter": "on\n"})
	_, err := tr.Read(Key{All, RPFilter})
	if err == nil || err.Error() != `sysctl net.ipv4.conf.all.rp_filter: value "on" is not a number` {
		t.Errorf("got %v", err)
	}
}

// What does not hold the value it was given was not written.
func TestTreeReadsBack(t *testing.T) {
	tr := tree(t, map[string]string{"all/rp_filter": ""})
	path := filepath.Join(tr.Root, "net/ipv4/conf/all/rp_filter")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(os.DevNull, path); err != nil {
		t.Fatal(err)
	}
	if err := tr.Write(Key{All, RPFilter}, 1); err == nil {
		t.Error("a write that was forgotten counts as done")
	}
}

func TestTreePermission(t *testing.T) {
	tr := tree(t, map[string]string{"all/rp_filter": "1\n"})
	if err := os.Chmod(filepath.Join(tr.Root, "net/ipv4/conf/all/rp_filter"), 0o400); err != nil {
		t.Fatal(err)
	}
	if err := asNobody(func() error { return tr.Write(Key{All, RPFilter}, 0) }); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v, want fs.ErrPermission", err)
	}
}

// asNobody calls f on a thread that has none of root's rights to files. The
// thread ends with its goroutine.
func asNobody(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			if err := syscall.Setfsuid(65534); err != nil {
				done <- err
				return
			}
		}
		done <- f()
	}()
	return <-done
}

// The zero Tree is the kernel's own.
func TestTreeOfThisMachine(t *testing.T) {
	if _, err := os.Stat(DefaultRoot + "/net/ipv4/conf/all/rp_filter"); err != nil {
		t.Skip(err)
	}
	if v, err := (Tree{}).Read(Key{All, RPFilter}); err != nil || v < 0 || v > 2 {
		t.Errorf("got %d, %v", v, err)
	}
}

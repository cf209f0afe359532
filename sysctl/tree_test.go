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

// tree makes a /proc/sys with the given files under net/ipv4 and returns it open,
// and its root.
func tree(t *testing.T, files map[string]string) (*Tree, string) {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, "net/ipv4", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tr := Open(root)
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr, root
}

func TestTreeReadsAndWrites(t *testing.T) {
	tr, _ := tree(t, map[string]string{"conf/all/rp_filter": "1\n", "conf/eth0.100/rp_filter": "0\n", "conf/eth0/100": "no device\n"})
	for key, old := range map[Key]int{{Scope: All, Name: RPFilter}: 1, {Scope: "eth0.100", Name: RPFilter}: 0} {
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
	tr, root := tree(t, map[string]string{"conf/all/rp_filter": "1\n"})
	for _, key := range []Key{{Scope: All, Name: ARPIgnore}, {Scope: "tunl0", Name: RPFilter}} {
		if _, err := tr.Read(key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("read %s: %v, want fs.ErrNotExist", key, err)
		}
		err := tr.Write(key, 1)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("write %s: %v, want fs.ErrNotExist", key, err)
		}
		if !strings.HasPrefix(err.Error(), "sysctl ") || strings.Contains(err.Error(), root) {
			t.Errorf("%q, want the key in front and no path", err)
		}
		if _, err := os.Stat(filepath.Join(root, "net/ipv4/conf", key.Scope, key.Name)); err == nil {
			t.Errorf("%s was made", key)
		}
	}
}

func TestTreeRefusesNames(t *testing.T) {
	tr, _ := tree(t, map[string]string{"conf/all/rp_filter": "1\n"})
	for _, key := range []Key{
		{Scope: "", Name: RPFilter}, {Scope: ".", Name: RPFilter}, {Scope: "..", Name: RPFilter},
		{Scope: "all/../all", Name: RPFilter}, {Scope: "/", Name: RPFilter}, {Family: 2, Scope: All, Name: RPFilter},
		{Scope: All}, {Scope: All, Name: "../all/rp_filter"}, {Scope: All, Name: "."}, {Scope: All, Name: ".rp_filter"},
	} {
		if _, err := tr.Read(key); err == nil {
			t.Errorf("%#v was read", key)
		}
		if err := tr.Write(key, 0); err == nil {
			t.Errorf("%#v was written", key)
		}
	}
	if v, err := tr.Read(Key{Scope: All, Name: RPFilter}); err != nil || v != 1 {
		t.Errorf("got %d, %v, want 1", v, err)
	}
}

func TestTreeNotANumber(t *testing.T) {
	tr, _ := tree(t, map[string]string{"conf/all/rp_filter": "on\n"})
	_, err := tr.Read(Key{Scope: All, Name: RPFilter})
	if err == nil || err.Error() != `sysctl net.ipv4.conf.all.rp_filter: value "on" is not a number` {
		t.Errorf("got %v", err)
	}
}

// What does not hold the value it was given was not written.
func TestTreeReadsBack(t *testing.T) {
	tr, root := tree(t, map[string]string{"conf/all/rp_filter": ""})
	path := filepath.Join(root, "net/ipv4/conf/all/rp_filter")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(os.DevNull, path); err != nil {
		t.Fatal(err)
	}
	if err := tr.Write(Key{Scope: All, Name: RPFilter}, 1); err == nil {
		t.Error("a write that was forgotten counts as done")
	}
}

func TestTreePermission(t *testing.T) {
	tr, root := tree(t, map[string]string{"conf/all/rp_filter": "1\n"})
	if err := os.Chmod(filepath.Join(root, "net/ipv4/conf/all/rp_filter"), 0o400); err != nil {
		t.Fatal(err)
	}
	if err := asNobody(func() error { return tr.Write(Key{Scope: All, Name: RPFilter}, 0) }); !errors.Is(err, fs.ErrPermission) {
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

// A family that is not there is an error of its keys alone.
func TestTreeFamilies(t *testing.T) {
	tr, root := tree(t, map[string]string{"conf/all/rp_filter": "1\n", "icmp_echo_ignore_all": "0\n"})
	key := Key{Family: IPv6, Scope: "eth0.100", Name: "disable_ipv6"}
	for _, err := range []error{tr.Write(key, 1), second(tr.Read(key)), second(tr.ReadGlobal(IPv6, "bindv6only")), second(tr.ReadGlobal(IPv4, "none"))} {
		if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), root) {
			t.Errorf("got %v, want fs.ErrNotExist and no path", err)
		}
	}
	if v, err := tr.ReadGlobal(IPv4, "icmp_echo_ignore_all"); err != nil || v != 0 {
		t.Errorf("got %d, %v", v, err)
	}
	file := filepath.Join(root, key.Path())
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	both := Open(root)
	defer both.Close()
	if err := both.Write(key, 1); err != nil {
		t.Error(err)
	}
	if v, err := both.Read(key); err != nil || v != 1 {
		t.Errorf("%s: got %d, %v", key, v, err)
	}
}

func second[T any](_ T, err error) error { return err }

// Without a root it is the kernel's own.
func TestTreeOfThisMachine(t *testing.T) {
	tr := Open("")
	defer tr.Close()
	if v, err := tr.Read(Key{Scope: All, Name: RPFilter}); err != nil || v < 0 || v > 2 {
		t.Errorf("got %d, %v", v, err)
	}
	if _, err := Get("kernel.random.boot_id"); err != nil {
		t.Error(err)
	}
	if _, err := Get("kernel.no_such_setting"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

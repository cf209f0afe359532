package sysctl

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func openHandle(t *testing.T, tr *Tree, k Key) *Handle {
	t.Helper()
	h, err := tr.Handle(k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// A handle reads and writes what the tree does, also what others wrote since.
func TestHandleIsTheKey(t *testing.T) {
	tr, _ := tree(t, map[string]string{"conf/all/rp_filter": "1\n", "conf/eth0.100/rp_filter": "0\n"})
	for _, key := range []Key{{Scope: All, Name: RPFilter}, {Scope: "eth0.100", Name: RPFilter}} {
		h := openHandle(t, tr, key)
		for value := range 3 {
			if err := tr.Write(key, value); err != nil {
				t.Fatal(err)
			}
			if got, err := h.Read(); err != nil || got != value {
				t.Errorf("%s: got %d, %v, want %d", key, got, err, value)
			}
			if err := h.Write(value + 1); err != nil {
				t.Error(err)
			}
			if got, err := tr.Read(key); err != nil || got != value+1 {
				t.Errorf("%s: got %d, %v, want %d", key, got, err, value+1)
			}
		}
	}
}

// What cannot be opened is an error to test for, and nothing is made.
func TestHandleRejects(t *testing.T) {
	tr, root := tree(t, map[string]string{"conf/all/rp_filter": "1\n"})
	for _, key := range []Key{{Scope: All, Name: ARPIgnore}, {Scope: "tunl0", Name: RPFilter}} {
		if _, err := tr.Handle(key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want fs.ErrNotExist", key, err)
		}
	}
	for _, scope := range []string{"", ".", "..", "all/../all"} {
		if _, err := tr.Handle(Key{Scope: scope, Name: RPFilter}); err == nil {
			t.Errorf("scope %q was opened", scope)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "net/ipv4/conf/all", ARPIgnore)); err == nil {
		t.Error("a key was made")
	}
}

// What is no number, or cannot be written, is an error and no value.
func TestHandleErrors(t *testing.T) {
	tr, _ := tree(t, map[string]string{"conf/all/rp_filter": "much\n"})
	h := openHandle(t, tr, Key{Scope: All, Name: RPFilter})
	if v, err := h.Read(); err == nil {
		t.Errorf("read %d from no number", v)
	}
	_ = h.Close()
	if _, err := h.Read(); err == nil {
		t.Error("a closed handle was read")
	}
	if err := h.Write(1); err == nil {
		t.Error("a closed handle was written")
	}
}

// Without the permission to write a key can be read, and the error says why.
func TestHandleRefused(t *testing.T) {
	tr, root := tree(t, map[string]string{"conf/all/arp_ignore": "1\n"})
	if err := os.Symlink("/proc/sys/kernel/ngroups_max", filepath.Join(root, "net/ipv4/conf/all", RPFilter)); err != nil {
		t.Fatal(err)
	}
	h := openHandle(t, tr, Key{Scope: All, Name: RPFilter})
	if v, err := h.Read(); err != nil || v < 1 {
		t.Errorf("read %d, %v", v, err)
	}
	if err := h.Write(1); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("write: %v, want fs.ErrPermission", err)
	}
}

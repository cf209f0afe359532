//go:build lab

package sysctl

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// A tree stays in the network namespace in which it was opened, whatever thread
// uses it.
func TestTreeStaysInItsNamespace(t *testing.T) {
	key := Key{Scope: All, Name: ARPIgnore}
	opened, done := make(chan *Tree), make(chan bool)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
			t.Errorf("unshare: %v", err)
		}
		opened <- Open("")
		<-done
		b, err := os.ReadFile("/proc/sys/" + key.Path())
		if err != nil || string(b) != "2\n" {
			t.Errorf("in the namespace: got %q, %v, want 2", b, err)
		}
		done <- true
	}()
	there := <-opened
	defer there.Close()
	here := Open("")
	defer here.Close()
	before, err := here.Read(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := there.Write(key, 2); err != nil {
		t.Error(err)
	}
	if v, err := there.Read(key); err != nil || v != 2 {
		t.Errorf("through the tree: got %d, %v, want 2", v, err)
	}
	done <- true
	<-done
	if v, err := here.Read(key); err != nil || v != before {
		t.Errorf("another namespace: got %d, %v, want %d as before", v, err, before)
	}
}

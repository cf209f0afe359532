package linux

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// The lock is one process's until it lets it go, and says whose it is.
func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if other := os.Getenv("LOCK_TEST"); other != "" {
		_, err := Lock(other)
		var locked LockedError
		if !errors.As(err, &locked) || !errors.Is(err, ErrLocked) || locked.PID != os.Getppid() {
			t.Errorf("%v, want process %d", err, os.Getppid())
		}
		return
	}
	for range 2 {
		release, err := Lock(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Lock(dir); !errors.Is(err, ErrLocked) {
			t.Errorf("taken twice: %v", err)
		}
		release()
	}
	release, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run", "^TestLock$")
	cmd.Env = append(os.Environ(), "LOCK_TEST="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The lock of a program that does not say who it is, such as flock(1), counts.
func TestLockOfAnotherProgram(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); err != (LockedError{}) {
		t.Errorf("error %v", err)
	}
}

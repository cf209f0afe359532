package main

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCpioIsReadByCpio(t *testing.T) {
	var archive bytes.Buffer
	c := newCpioWriter(&archive)
	c.dir("dev")
	c.charDevice("dev/console", 5, 1)
	c.file("init", 0o755, []byte("seven b"))
	c.file("empty", 0o600, nil)
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	if archive.Len()%4 != 0 {
		t.Errorf("length %d is not a multiple of four", archive.Len())
	}
	got := readCpio(t, archive.String())
	want := []string{
		"dev 40755 0 0 ", "dev/console 20600 5 1 ", "init 100755 0 0 seven b", "empty 100600 0 0 ", "TRAILER!!! 0 0 0 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if _, err := exec.LookPath("cpio"); err == nil {
		cmd := exec.Command("cpio", "-t", "--quiet")
		cmd.Stdin = &archive
		out, err := cmd.CombinedOutput()
		if want := "dev\ndev/console\ninit\nempty\n"; string(out) != want || err != nil {
			t.Errorf("cpio -t: %q, %v", out, err)
		}
	}
}

func TestCpioKeepsTheFirstError(t *testing.T) {
	broken := errors.New("disk full")
	c := newCpioWriter(writerFunc(func([]byte) (int, error) { return 0, broken }))
	c.dir("dev")
	c.file("init", 0o755, []byte("x"))
	if err := c.close(); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// readCpio reads a newc archive by the kernel's own description of it.
func readCpio(t *testing.T, archive string) []string {
	t.Helper()
	var entries []string
	for len(archive) > 0 {
		const header = 110
		if len(archive) < header || !strings.HasPrefix(archive, "070701") {
			t.Fatalf("no header at %q", archive[:min(20, len(archive))])
		}
		field := func(i int) int { return hex(t, archive[6+8*i:14+8*i]) }
		mode, size, major, minor, nameLen := field(1), field(6), field(9), field(10), field(11)
		name := archive[header : header+nameLen-1]
		start := (header + nameLen + 3) &^ 3
		entries = append(entries, strings.Join([]string{name, oct(mode), oct(major), oct(minor), archive[start : start+size]}, " "))
		archive = archive[(start+size+3)&^3:]
	}
	return entries
}

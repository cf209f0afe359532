package main

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOutputsAreCarried(t *testing.T) {
	guest, host := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(guest, "cover.out"), "mode: set\n")
	writeFile(t, filepath.Join(guest, "report/a"), "A")
	writeFile(t, filepath.Join(guest, "report/deep/b"), strings.Repeat("B", 100000))
	writeFile(t, filepath.Join(host, "cover.out"), "an older and longer one\n")
	writeFile(t, filepath.Join(host, "report/kept"), "K")

	names := []string{"cover.out", "report", "never-written"}
	var archive bytes.Buffer
	if err := packOutputs(&archive, inDir(guest, names)); err != nil {
		t.Fatal(err)
	}
	got, err := unpackOutputs(&archive, inDir(host, names))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{filepath.Join(host, "cover.out"): true, filepath.Join(host, "report"): true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("carried (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"cover.out": "mode: set\n", "report/a": "A", "report/kept": "K", "report/deep/b": strings.Repeat("B", 100000),
	} {
		if got := readFile(t, filepath.Join(host, name)); got != want {
			t.Errorf("%s: %d bytes, want %d", name, len(got), len(want))
		}
	}
	if _, err := os.Stat(filepath.Join(host, "never-written")); !os.IsNotExist(err) {
		t.Errorf("never-written: %v", err)
	}
}

// What the guest says decides nothing about where the launcher writes.
func TestOutputsStayWhereTheyBelong(t *testing.T) {
	for _, name := range []string{"../evil", "0/../../evil", "1", "-1", "x", "", "0/" + "link/evil"} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			out := filepath.Join(top, "out")
			if err := os.MkdirAll(out, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(top, filepath.Join(out, "link")); err != nil {
				t.Fatal(err)
			}
			var archive bytes.Buffer
			w := tar.NewWriter(&archive)
			if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: 4}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte("evil")); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if got, err := unpackOutputs(&archive, []string{out}); err == nil {
				t.Errorf("unpacked %v", got)
			}
			if _, err := os.Stat(filepath.Join(top, "evil")); !os.IsNotExist(err) {
				t.Errorf("evil got out: %v", err)
			}
		})
	}
}

func inDir(dir string, names []string) []string {
	var paths []string
	for _, name := range names {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths
}

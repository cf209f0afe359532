package statedir

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// somebody is an owner that is not us, if we may give files away.
func somebody() ids {
	if os.Geteuid() == 0 {
		return ids{65534, 65533}
	}
	return ids{os.Geteuid(), os.Getegid()}
}

// given returns a state directory that belongs to somebody.
func given(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	if err := Make(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, somebody().uid, somebody().gid); err != nil {
		t.Fatal(err)
	}
	return dir
}

type file struct {
	Owner   ids
	Mode    fs.FileMode
	Content string
}

func look(t *testing.T, path string) file {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	o, err := owner(info, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file{o, info.Mode(), string(b)}
}

// Whoever makes a file, and whatever the umask, it belongs to the directory's
// owner, and everyone may read it.
func TestFilesBelongToTheDirectorysOwner(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := given(t)
	for _, content := range []string{"first", "second"} {
		if err := Replace(dir, "record", []byte(content)); err != nil {
			t.Fatal(err)
		}
		want := file{somebody(), 0o644, content}
		if diff := cmp.Diff(want, look(t, filepath.Join(dir, "record")), cmp.AllowUnexported(ids{})); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
	for range 2 {
		f, err := Open(dir, "lock")
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if got := look(t, filepath.Join(dir, "lock")).Owner; got != somebody() {
			t.Errorf("the lock belongs to %v, want %v", got, somebody())
		}
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 2 {
		t.Errorf("left behind: %v %v", names, err)
	}
}

// A file that root left to itself, before the directory had another owner, is
// given away as well.
func TestOpenGivesAnOldFileAway(t *testing.T) {
	dir := given(t)
	path := filepath.Join(dir, "lock")
	if err := os.WriteFile(path, []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Open(dir, "lock")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	want := file{somebody(), 0o644, "1"}
	if diff := cmp.Diff(want, look(t, path), cmp.AllowUnexported(ids{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// The directory's owner cannot lead root to another file.
func TestNoLinkIsFollowed(t *testing.T) {
	dir := given(t)
	elsewhere := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(elsewhere, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := look(t, elsewhere)
	for _, name := range []string{"lock", "record"} {
		if err := os.Symlink(elsewhere, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := Open(dir, "lock"); err == nil {
		f.Close()
		t.Error("Open followed a link")
	}
	if err := Replace(dir, "record", []byte("ours")); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, look(t, elsewhere), cmp.AllowUnexported(ids{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// asOwner runs the test again as the owner of given directories, who is not
// root, and reports whether this is that run.
func asOwner(t *testing.T, dir string) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "test") // where that user can reach it
	content, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(copied, content, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied, "-test.run", "^"+t.Name()+"$")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "STATEDIR_TEST="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(somebody().uid), Gid: uint32(somebody().gid)}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// What root left in the directory before it had its owner is no obstacle to
// that owner: neither a file that it may read, nor one that it may not.
func TestOpenTakesOverWhatRootLeft(t *testing.T) {
	dir := os.Getenv("STATEDIR_TEST")
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "statedir"); err != nil { // not t.TempDir, which only we may enter
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		for name, mode := range map[string]os.FileMode{"readable": 0o444, "hidden": 0o000} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("1"), mode); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(os.Chmod(dir, 0o755), os.Chown(dir, somebody().uid, somebody().gid)); err != nil {
			t.Fatal(err)
		}
	}
	if !asOwner(t, dir) {
		return
	}
	for _, name := range []string{"readable", "hidden", "new"} {
		for range 2 {
			f, err := Open(dir, name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			f.Close()
		}
	}
	if got := look(t, filepath.Join(dir, "readable")).Content; got != "1" {
		t.Errorf("the readable file was replaced: %q", got)
	}
}

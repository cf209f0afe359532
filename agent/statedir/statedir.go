// Package statedir keeps files in the state directory, which the daemon, that
// is not root, shares with commands that root runs. What either makes belongs
// to the directory's owner, so that the other can go on with it; and root
// follows no link there, since it does not trust that owner with more than the
// directory.
package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Make makes the directory if need be, readable by everyone.
func Make(dir string) error { return os.MkdirAll(dir, 0o755) }

// Replace writes a file so that a reader, or a crash, sees either the old
// content or the new. When it returns the new is durable. Everyone may read it,
// whatever the umask.
func Replace(dir, name string, content []byte) (err error) {
	f, err := os.CreateTemp(dir, name+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, own(f, dir), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return Sync(dir)
}

// Name returns the name of a file of which each network namespace has its own:
// kind-<number>.json, the number being that of /proc/self/ns/net.
func Name(kind string) string {
	var st syscall.Stat_t
	if err := syscall.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return kind + ".json"
	}
	return fmt.Sprintf("%s-%d.json", kind, st.Ino)
}

// SetAside renames a file that cannot be understood, so that nothing of it is
// lost, and returns its new path.
func SetAside(dir, name string) (aside string, err error) {
	aside = filepath.Join(dir, name+".damaged")
	return aside, os.Rename(filepath.Join(dir, name), aside)
}

// openFlags keep root from following a link, and from waiting for a FIFO.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// Open opens a file to lock it, and makes it if need be. One that may only be
// read is opened so, which is enough for a lock. One that may not even be read,
// as root leaves it before the directory has its owner, is replaced by that
// owner. Where there is none and none can be made the error may be Full.
func Open(dir, name string) (*os.File, error) {
	path := filepath.Join(dir, name)
	before, _ := os.Lstat(path)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|openFlags, 0o644)
	if err == nil {
		if err = own(f, dir); err == nil || Full(err) {
			return f, nil
		}
		_ = f.Close()
		return nil, err
	}
	refused := errors.Is(err, fs.ErrPermission)
	if !refused && !Full(err) {
		return nil, err
	}
	f, readErr := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	switch {
	case readErr == nil:
		return f, nil
	case refused && errors.Is(readErr, fs.ErrPermission):
		return replaceRefused(dir, path, before, err)
	}
	return nil, err
}

// Full reports whether an error means that there is no room to write, or that
// the file system is read-only.
func Full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS)
}

// replaceRefused makes a file anew that was refused to the directory's owner,
// or returns the refusal. It leaves one alone that another process has made
// meanwhile.
func replaceRefused(dir, path string, before fs.FileInfo, refusal error) (*os.File, error) {
	mine, err := owner(os.Stat(dir))
	if err != nil || mine.uid != os.Geteuid() || before == nil {
		return nil, refusal
	}
	now, err := os.Lstat(path)
	if err == nil && os.SameFile(before, now) {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|openFlags, 0o644)
}

// Sync makes what was done to the directory durable.
func Sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// own gives a file to the directory's owner, which only root can, and only
// root has to.
func own(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	want, err := owner(os.Stat(dir))
	if err != nil {
		return err
	}
	got, err := owner(f.Stat())
	if err != nil || got == want {
		return err
	}
	return f.Chown(want.uid, want.gid)
}

type ids struct{ uid, gid int }

func owner(info os.FileInfo, err error) (ids, error) {
	if err != nil {
		return ids{}, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ids{}, fmt.Errorf("%s: no owner known", info.Name())
	}
	return ids{int(st.Uid), int(st.Gid)}, nil
}

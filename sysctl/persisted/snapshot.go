package persisted

import (
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Dirs are the folders of sysctl.d, the one that wins first.
func Dirs() []string {
	return []string{"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"}
}

// Classic is the file from before there was sysctl.d.
const Classic = "/etc/sysctl.conf"

// maxSize is how much of a file is read, which is a long line for systemd.
const maxSize = 1 << 20

// A Snapshot is the content of sysctl.d. The zero value is an empty one.
type Snapshot struct {
	files   []source // by base name
	classic []source // none or one
	// Unread are the files that are there and could not be read, so that what
	// they set is not known.
	Unread []string
	looked map[string]stamp // at every path, be anything there or not
}

// A stamp tells whether something has changed. It is zero for what is not there.
type stamp struct {
	size  int64
	mode  fs.FileMode
	mtime time.Time
}

func stampOf(fsys fs.FS, name string) stamp {
	info, err := fs.Stat(fsys, name[1:])
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.Mode(), info.ModTime()}
}

// Fresh reports whether the folders and files that s was read from look as they
// did then. It costs a stat for each.
func (s Snapshot) Fresh(fsys fs.FS) bool {
	for name, then := range s.looked {
		if stampOf(fsys, name) != then {
			return false
		}
	}
	return s.looked != nil
}

type source struct {
	path    string
	content []byte
}

// Read reads sysctl.d below the root of fsys, which is that of the host and has
// to follow symbolic links, as os.DirFS("/") does. What is in a folder of lower
// precedence under the same name is left out, whatever the one above it is.
func Read(fsys fs.FS) Snapshot {
	s := Snapshot{looked: map[string]stamp{}}
	taken := map[string]bool{}
	for _, dir := range Dirs() {
		s.looked[dir] = stampOf(fsys, dir)
		entries, _ := fs.ReadDir(fsys, dir[1:]) // absent, as a rule
		for _, e := range entries {
			if name := e.Name(); strings.HasSuffix(name, ".conf") && !taken[name] {
				taken[name] = true
				s.files = append(s.files, s.read(fsys, path.Join(dir, name))...)
			}
		}
	}
	slices.SortFunc(s.files, func(a, b source) int { return strings.Compare(path.Base(a.path), path.Base(b.path)) })
	s.classic = s.read(fsys, Classic)
	return s
}

// read returns a file, or nothing for a name that only hides others: a link to
// /dev/null or into the void, a folder, an empty file.
func (s *Snapshot) read(fsys fs.FS, name string) []source {
	s.looked[name] = stampOf(fsys, name)
	if found := s.looked[name]; found == (stamp{}) || !found.mode.IsRegular() { // a pipe would never end
		return nil
	}
	f, err := fsys.Open(name[1:])
	if err != nil {
		s.Unread = append(s.Unread, name)
		return nil
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSize))
	if err != nil {
		s.Unread = append(s.Unread, name)
	}
	return []source{{name, content}}
}

// Content returns what a file holds. It reports false if that file was not
// read.
func (s Snapshot) Content(path string) (string, bool) {
	for _, f := range slices.Concat(s.files, s.classic) {
		if f.path == path {
			return string(f.content), true
		}
	}
	return "", false
}

// Without returns s as it would be with a file empty.
func (s Snapshot) Without(path string) Snapshot {
	s.files = slices.DeleteFunc(slices.Clone(s.files), func(f source) bool { return f.path == path })
	return s
}

// order returns what r reads, in its order.
func (s Snapshot) order(r Reader) []source {
	if r != Systemd {
		return slices.Concat(s.files, s.classic)
	}
	return slices.DeleteFunc(slices.Clone(s.files), func(f source) bool { return path.Base(f.path)[0] == '.' })
}

// lines splits as r does.
func lines(r Reader, content []byte) []string {
	text := string(content)
	if r == Systemd {
		text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "\n").Replace(text)
	}
	return strings.Split(text, "\n")
}

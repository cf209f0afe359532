package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/agent/statedir"
	"rsagent/sysctl/persisted"
)

// restat is how often sysctl.d is looked at again. A repair between two looks
// does not wait for it.
const restat = time.Second

// replays reads what a replay of sysctl.d would do, and keeps our file in it.
type replays struct {
	root  string // that of the host; another one in tests
	known bool   // the network namespace is the host's

	looked   time.Time
	snapshot persisted.Snapshot
	scopes   []string // that the rest is about
	set      []agent.Replay
	beneath  []agent.Replay
	unclear  []persisted.Place
}

// observe adds to a reading what is known of replays. It parses only what has
// changed since the last time.
func (r *replays) observe(want agent.Desired, got *agent.Observed) {
	if !r.known {
		return
	}
	scopes := got.ReplayScopes(want)
	if changed := r.refresh(); changed || !slices.Equal(scopes, r.scopes) {
		r.scopes = scopes
		r.set, r.unclear = agent.ReplaysOf(r.snapshot, scopes)
		r.beneath, _ = agent.ReplaysOf(r.snapshot.Without(agent.PersistPath), scopes)
	}
	content, _ := r.snapshot.Content(agent.PersistPath)
	got.Replays = r.set
	got.Persisted = agent.Persisted{
		Known: true, Content: content, Obstacle: r.obstacle(), Beneath: r.beneath,
		Unread: r.snapshot.Unread, Unclear: r.unclear,
	}
}

// refresh reads sysctl.d again if it has changed.
func (r *replays) refresh() bool {
	now := time.Now()
	if !r.looked.IsZero() && now.Sub(r.looked) < restat {
		return false
	}
	r.looked = now
	host := os.DirFS(r.root)
	if r.snapshot.Fresh(host) {
		return false
	}
	r.snapshot = persisted.Read(host)
	return true
}

func (r *replays) path() string { return filepath.Join(r.root, agent.PersistPath) }

// obstacle says why the file cannot be written. A process that may not change
// the network is not asked: it writes nothing anyway.
func (r *replays) obstacle() string {
	if !CanChange() || writable(r.path()) == nil {
		return ""
	}
	dir := filepath.Dir(r.path())
	err := writable(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = writable(filepath.Dir(dir))
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func writable(path string) error {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS)
}

// write makes the file hold the content: in place if it is somebody else's,
// who let us have just this file, else so that a reader sees all or nothing.
func (r *replays) write(a agent.Persist) error {
	if !r.known {
		return fmt.Errorf("%s: not in the host's network namespace", agent.PersistPath)
	}
	r.looked = time.Time{} // whatever comes of it
	err := r.replace(a.Content)
	if err != nil {
		return fmt.Errorf("%s: %w", agent.PersistPath, err)
	}
	return nil
}

func (r *replays) replace(content string) error {
	if r.lent() {
		return overwrite(r.path(), content)
	}
	if err := os.Mkdir(filepath.Dir(r.path()), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return statedir.Replace(filepath.Dir(r.path()), filepath.Base(r.path()), []byte(content))
}

// lent reports whether the file is there and not for us to replace.
func (r *replays) lent() bool {
	var st unix.Stat_t
	if unix.Lstat(r.path(), &st) != nil {
		return false
	}
	return st.Uid != uint32(os.Geteuid()) || writable(filepath.Dir(r.path())) != nil
}

// overwrite changes a file in place. Its reader may find it empty for a moment.
func overwrite(path, content string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Close())
}

// clear removes the file, or empties it where it is not ours to remove. What is
// gone already is a success.
func (r *replays) clear(a agent.Unpersist) error {
	if !r.known {
		return fmt.Errorf("%s: not in the host's network namespace", a)
	}
	r.looked = time.Time{}
	var err error
	if r.lent() {
		err = overwrite(r.path(), "")
	} else {
		err = os.Remove(r.path())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", a, err)
	}
	return nil
}

// hostNetwork reports whether the calling thread is in the network namespace
// of process 1, which is the one that a replay of sysctl.d changes. Without the
// right to ask for that, the files that /proc shows of both tell; where process
// 1 is hidden, the number of the machine's first namespace (net/core/net_namespace.c).
func hostNetwork() bool {
	ours, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return false
	}
	if host, err := os.Readlink("/proc/1/ns/net"); err == nil {
		return host == ours
	}
	var host, here unix.Stat_t
	if unix.Stat("/proc/1/net/dev", &host) == nil && unix.Stat("/proc/thread-self/net/dev", &here) == nil {
		return host.Ino == here.Ino
	}
	return strings.TrimSpace(cookie()) == "cookie 1"
}

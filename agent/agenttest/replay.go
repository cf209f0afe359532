package agenttest

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing/fstest"

	"rsagent/agent"
	"rsagent/sysctl"
	"rsagent/sysctl/persisted"
)

// Files makes the fake the host's network namespace, with these files for
// sysctl --system and systemd-sysctl to read, by their absolute paths. Before,
// and with nil, it is a namespace of its own, for which nobody replays.
func (f *Fake) Files(files map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.host.disk = disk{closed: f.host.disk.closed}
	if files == nil {
		return
	}
	f.host.disk.files = fstest.MapFS{}
	for name, content := range files {
		f.host.put(name, content)
	}
}

// File returns the content of a file, and whether it is there.
func (f *Fake) File(name string) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, ok := f.host.disk.files[strings.TrimPrefix(name, "/")]
	if !ok {
		return "", false
	}
	return string(file.Data), true
}

// Closed makes the file of ours impossible to write, with this reason, or
// possible again if why is empty.
func (f *Fake) Closed(why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.host.disk.closed = why
}

// A disk holds the files that a replay reads.
type disk struct {
	files    fstest.MapFS // nil in a namespace that is not the host's
	closed   string       // why the file of ours cannot be written
	foreseen foreseen
}

// foreseen is what is known of replays on these scopes, until a file changes.
type foreseen struct {
	about            string
	replays, beneath []agent.Replay
	unclear          []persisted.Place
}

func (h *host) put(name, content string) {
	h.disk.foreseen = foreseen{}
	h.disk.files[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: []byte(content)}
}

func (h *host) readReplays(want agent.Desired, got *agent.Observed) {
	if h.disk.files == nil {
		return
	}
	scopes := got.ReplayScopes(want)
	if about := strings.Join(scopes, " "); h.disk.foreseen.about != about {
		s := persisted.Read(h.disk.files)
		f := foreseen{about: about}
		f.replays, f.unclear = agent.ReplaysOf(s, scopes)
		f.beneath, _ = agent.ReplaysOf(s.Without(agent.PersistPath), scopes)
		h.disk.foreseen = f
	}
	content := ""
	if file, ok := h.disk.files[strings.TrimPrefix(agent.PersistPath, "/")]; ok {
		content = string(file.Data)
	}
	got.Replays = slices.Clone(h.disk.foreseen.replays)
	got.Persisted = agent.Persisted{
		Known: true, Content: content, Obstacle: h.disk.closed,
		Beneath: slices.Clone(h.disk.foreseen.beneath), Unclear: slices.Clone(h.disk.foreseen.unclear),
	}
}

// replay is what a program makes of the files, on all devices.
func (h *host) replay(r persisted.Reader) {
	program := persisted.Read(h.disk.files).Program(r)
	scopes := []string{sysctl.All, sysctl.Default}
	for _, d := range h.devices {
		scopes = append(scopes, d.Name)
	}
	for _, scope := range scopes {
		for _, name := range settings() {
			key := sysctl.Key{Scope: scope, Name: name}
			if set, ok := program.Set(key); ok && !set.Unclear {
				_ = h.write(key, set.Value) // the key is there
			}
		}
	}
}

// persist carries out an agent.Persist or agent.Unpersist.
func (h *host) persist(a agent.Action) error {
	switch {
	case h.disk.files == nil:
		return errNotHere
	case h.disk.closed != "":
		return syscall.EACCES
	}
	switch a := a.(type) {
	case agent.Persist:
		h.put(agent.PersistPath, a.Content)
	case agent.Unpersist:
		h.disk.foreseen = foreseen{}
		delete(h.disk.files, strings.TrimPrefix(agent.PersistPath, "/"))
	}
	return nil
}

var errNotHere = errors.New("not in the host's network namespace")

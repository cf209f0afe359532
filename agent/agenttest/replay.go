package agenttest

import (
	"errors"
	"strings"
	"syscall"
	"testing/fstest"

	"rsagent/agent"
	"rsagent/sysctl"
	"rsagent/sysctl/replay"
)

// Files makes the fake the host's network namespace, with these files for
// sysctl --system and systemd-sysctl to read, by their absolute paths. Before,
// and with nil, it is a namespace of its own, for which nobody replays.
func (f *Fake) Files(files map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.host.files = nil
	if files == nil {
		return
	}
	f.host.files = fstest.MapFS{}
	for name, content := range files {
		f.host.put(name, content)
	}
}

// File returns the content of a file, and whether it is there.
func (f *Fake) File(name string) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, ok := f.host.files[strings.TrimPrefix(name, "/")]
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
	f.host.closed = why
}

func (h *host) put(name, content string) {
	h.files[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: []byte(content)}
}

func (h *host) readReplays(want agent.Desired, got *agent.Observed) {
	if h.files == nil {
		return
	}
	s, scopes := replay.Read(h.files), got.ReplayScopes(want)
	got.Replays = agent.ReplaysOf(s, scopes)
	got.Persisted = agent.Persisted{
		Known: true, Obstacle: h.closed, Unread: s.Unread,
		Beneath: agent.ReplaysOf(s.Without(agent.PersistPath), scopes),
	}
	got.Persisted.Content, _ = s.Content(agent.PersistPath)
}

// replay is what a program makes of the files, on all devices.
func (h *host) replay(r replay.Reader) {
	program := replay.Read(h.files).Program(r)
	scopes := []string{sysctl.All, sysctl.Default}
	for _, d := range h.devices {
		scopes = append(scopes, d.Name)
	}
	for _, scope := range scopes {
		for _, name := range settings() {
			key := sysctl.Key{Scope: scope, Name: name}
			if set, ok := program.Set(key); ok {
				_ = h.write(key, set.Value) // the key is there
			}
		}
	}
}

// persist carries out an agent.Persist or agent.Unpersist.
func (h *host) persist(a agent.Action) error {
	switch {
	case h.files == nil:
		return errNotHere
	case h.closed != "":
		return syscall.EACCES
	}
	switch a := a.(type) {
	case agent.Persist:
		h.put(agent.PersistPath, a.Content)
	case agent.Unpersist:
		delete(h.files, strings.TrimPrefix(agent.PersistPath, "/"))
	}
	return nil
}

var errNotHere = errors.New("not in the host's network namespace")

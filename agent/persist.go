package agent

import (
	"fmt"
	"slices"
	"strings"

	"rsagent/sysctl"
	"rsagent/sysctl/persisted"
)

// PersistPath is the file that keeps a replay of sysctl.d from undoing what is
// enforced. Its name sorts after all that others use; in /run it is gone with
// the next boot, after which the agent decides anew.
const PersistPath = "/run/sysctl.d/99-zz-rsagent.conf"

// A Replay is what one program that replays sysctl.d would leave a key at, and
// the line that decides it.
type Replay struct {
	Key    sysctl.Key
	Value  int
	File   string // absolute
	Line   int    // from 1
	Glob   bool   // the line has a pattern, and is about other keys too
	Reader string // the program: "systemd-sysctl", "sysctl --system"
}

// Place returns where the line is, file:line.
func (r Replay) Place() string { return fmt.Sprintf("%s:%d", r.File, r.Line) }

// Persisted is the state of the file at [PersistPath].
type Persisted struct {
	// Known is false in a network namespace that is not the host's: sysctl.d
	// is not replayed here, and nothing is written for it.
	Known   bool
	Content string // empty if there is no file
	// Obstacle says why the file cannot be written, if it cannot.
	Obstacle string
	// Beneath is what a replay would set if the file were not there.
	Beneath []Replay
	// Unread are files of sysctl.d that could not be read.
	Unread []string
	// Unclear are lines of sysctl.d that may decide a setting and cannot be
	// evaluated. Replays says nothing of that setting.
	Unclear []persisted.Place
}

// ReplaysOf returns what the replays of a snapshot would set on the given
// scopes, of the settings that there is a policy for, and the lines for which
// that cannot be told. The order is that of the programs, and in it that of the
// scopes.
func ReplaysOf(s persisted.Snapshot, scopes []string) (out []Replay, unclear []persisted.Place) {
	for _, reader := range []persisted.Reader{persisted.Systemd, persisted.Procps} {
		program := s.Program(reader)
		for _, scope := range scopes {
			for _, name := range sysctl.Names {
				key := sysctl.Key{Scope: scope, Name: name}
				switch set, ok := program.Set(key); {
				case !ok:
				case !set.Unclear:
					out = append(out, Replay{key, set.Value, set.File, set.Line, set.Glob, reader.String()})
				case !slices.Contains(unclear, set.Place):
					unclear = append(unclear, set.Place)
				}
			}
		}
	}
	return out, unclear
}

// ReplayScopes returns the scopes that replays are looked up for: all, default,
// the devices there are, and the tunnel to come.
func (o Observed) ReplayScopes(want Desired) []string {
	scopes := []string{sysctl.All, sysctl.Default}
	for _, l := range o.Links {
		scopes = append(scopes, l.Name)
	}
	if !slices.Contains(scopes, o.device(want)) {
		scopes = append(scopes, o.device(want))
	}
	return scopes
}

// Opponent returns the line of sysctl.d that sets a key to something else than
// want, if there is one: one that a replay would go by, or else one that only
// our own file keeps from counting.
func (o Observed) Opponent(key sysctl.Key, want int) (Replay, bool) {
	for _, r := range slices.Concat(o.Replays, o.Persisted.Beneath) {
		if r.Key == key && r.Value != want && r.File != PersistPath {
			return r, true
		}
	}
	return Replay{}, false
}

const persistHeader = `# Written by rsagent, which keeps it equal to the settings that it enforces, so
# that a replay of sysctl.d (udev, sysctl --system, systemd-sysctl) does not undo
# them. Changes are overwritten. To be rid of it: persist: false in
# rsagent.yaml; rsagent teardown empties it too.
`

// persistContent returns the file that sets these keys.
func persistContent(settings []SetSysctl) string {
	var b strings.Builder
	b.WriteString(persistHeader)
	for _, s := range settings {
		fmt.Fprintf(&b, "%s=%d\n", s.Key, s.Value)
	}
	return b.String()
}

// settingsIn returns the lines of a file that mean something.
func settingsIn(content string) []string {
	var out []string
	for line := range strings.Lines(content) {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' && line[0] != ';' {
			out = append(out, line)
		}
	}
	return out
}

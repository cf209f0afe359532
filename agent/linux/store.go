package linux

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"rsagent/agent"
	"rsagent/agent/statedir"
)

// storeVersion is the version of the file's format.
const storeVersion = 1

// A FileStore keeps the baseline in Dir, in a file for each network namespace
// that uses it: baseline-<number>.json, the number being that of
// /proc/self/ns/net. It implements agent.Store.
type FileStore struct {
	Dir string
	// Damaged is called when a file that cannot be understood has been set
	// aside under the given name. If it is nil, nothing is set aside and Load
	// returns an error.
	Damaged func(aside string, why error)
	// Unsaved takes the record where it cannot be written because the disk is
	// full or read-only. If it is nil, Save returns an error.
	Unsaved *Unsaved
}

// Unsaved is a record that could not be written: a full disk keeps no VIP from
// being put in place. It is for one goroutine.
type Unsaved struct {
	// Warn is called when the first record could not be written.
	Warn func(error)
	base *agent.Baseline
}

var _ agent.Store = FileStore{}

type storedBaseline struct {
	Version int    `json:"version"`
	Boot    string `json:"boot"`
	Netns   string `json:"netns"`
	agent.Baseline
}

func (s FileStore) path() string { return filepath.Join(s.Dir, statedir.Name("baseline")) }

// Load returns the baseline of this boot and network namespace. It is empty if
// there is no file, or one from another boot or namespace: what was found
// there is not what a teardown has to go back to here.
//
// A record that is set aside is replaced by one that says so until it is
// removed.
func (s FileStore) Load() (agent.Baseline, error) {
	if s.Unsaved != nil && s.Unsaved.base != nil {
		base := *s.Unsaved.base
		return base, s.Save(base) // there may be room by now
	}
	b, err := os.ReadFile(s.path())
	if errors.Is(err, fs.ErrNotExist) {
		return agent.Baseline{}, nil
	}
	if err != nil {
		return agent.Baseline{}, fmt.Errorf("state: %w", err)
	}
	var stored storedBaseline
	err = json.Unmarshal(b, &stored)
	if err == nil && stored.Version != storeVersion {
		err = fmt.Errorf("format version %d, this program writes %d", stored.Version, storeVersion)
	}
	if err != nil {
		lost := agent.Baseline{Lost: true}
		if err := s.setAside(err); err != nil {
			return lost, err
		}
		return lost, s.Save(lost)
	}
	boot, netns, err := namespace()
	if err != nil {
		return agent.Baseline{}, err
	}
	if stored.Boot != boot || stored.Netns != netns {
		return agent.Baseline{}, nil
	}
	return stored.Baseline, nil
}

func (s FileStore) setAside(why error) error {
	why = fmt.Errorf("state: %s: %w", s.path(), why)
	if s.Damaged == nil {
		return why
	}
	aside, err := statedir.SetAside(s.Dir, filepath.Base(s.path()))
	if err != nil && (s.Unsaved == nil || !statedir.Full(err)) {
		return fmt.Errorf("%w; setting it aside: %w", why, err)
	}
	s.Damaged(aside, why)
	return nil
}

// Save replaces the file atomically and durably. It creates the directory.
func (s FileStore) Save(base agent.Baseline) error {
	err := s.save(base)
	switch {
	case s.Unsaved == nil:
	case err == nil:
		s.Unsaved.base = nil
	case statedir.Full(err):
		if s.Unsaved.base == nil {
			s.Unsaved.Warn(err)
		}
		s.Unsaved.base = &base
		return nil
	}
	return err
}

func (s FileStore) save(base agent.Baseline) error {
	boot, netns, err := namespace()
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(storedBaseline{storeVersion, boot, netns, base}, "", "  ")
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if err := statedir.Make(s.Dir); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if err := statedir.Replace(s.Dir, filepath.Base(s.path()), append(b, '\n')); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

// Remove forgets the baseline. It is not an error if there is none.
func (s FileStore) Remove() error {
	_, err := os.Lstat(s.path()) // os.Remove complains of a read-only file system first
	if err == nil {
		err = os.Remove(s.path())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

const passLock = "pass.lock"

// holdLimit is how long a CachedStore waits for another process.
const holdLimit = 10 * time.Second

// Hold does nothing: who changes the host has taken Lock.
func (s FileStore) Hold(context.Context) (release func(), err error) { return func() {}, nil }

// Try reports false: a FileStore does not know what it had last.
func (s FileStore) Try() (release func(), free bool) { return nil, false }

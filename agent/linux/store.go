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

	"golang.org/x/sys/unix"

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
func (s FileStore) Load() (agent.Baseline, error) {
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
		return agent.Baseline{Lost: true}, s.setAside(err)
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
	if err != nil {
		return fmt.Errorf("%w; setting it aside: %w", why, err)
	}
	s.Damaged(aside, why)
	return nil
}

// Save replaces the file atomically and durably. It creates the directory.
func (s FileStore) Save(base agent.Baseline) error {
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
	if err := os.Remove(s.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

const passLock = "pass.lock"

// holdLimit is how long Hold waits for another process.
const holdLimit = 10 * time.Second

// Hold takes Dir/pass.lock for a change to the host. It ends with the process
// at the latest.
func (s FileStore) Hold(ctx context.Context) (release func(), err error) {
	deadline := time.Now().Add(holdLimit)
	for {
		release, err := flock(s.Dir, passLock)
		if !errors.Is(err, ErrLocked) || ctx.Err() != nil || time.Now().After(deadline) {
			return release, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Try reports false: a FileStore does not know what it had last.
func (s FileStore) Try() (release func(), free bool) { return nil, false }

// ErrLocked is returned by Lock while another process holds the lock.
var ErrLocked = errors.New("locked")

// Lock takes the state directory for a process that changes the host for as
// long as it runs. The lock ends with the process, whatever ends it. If another
// process holds it the error is ErrLocked, with that process's id in its text
// if it is known.
func Lock(dir string) (release func(), err error) { return flock(dir, "lock") }

func flock(dir, name string) (release func(), err error) {
	if err := statedir.Make(dir); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	f, err := statedir.Open(dir, name)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder := make([]byte, 16)
		n, _ := f.Read(holder)
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w by process %s", ErrLocked, holder[:n])
		}
		return nil, fmt.Errorf("state: lock: %w", err)
	}
	err = errors.Join(f.Truncate(0), func() error { _, err := fmt.Fprintf(f, "%d", os.Getpid()); return err }())
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("state: lock: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

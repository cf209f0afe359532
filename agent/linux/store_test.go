package linux

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
	"rsagent/sysctl"
)

func found() agent.Baseline {
	return agent.Baseline{
		Device: "tunl0", Link: &agent.LinkFound{Existed: true},
		Sysctls: map[sysctl.Key]int{{Scope: "all", Name: "rp_filter"}: 1},
	}
}

func TestStoreKeepsWhatWasFound(t *testing.T) {
	t.Parallel()
	s := FileStore{Dir: filepath.Join(t.TempDir(), "state")}
	if err := s.Save(found()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(found(), got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// A record of another version, or of none, is set aside with a message by who
// may change the host, is an error for who only looks, and is never fatal.
func TestStoreSetsAsideWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ content, why string }{
		"newer":     {`{"version": 99, "boot": "x", "baseline": {"shape": "unknown"}}`, "format version 99, this program writes 1"},
		"older":     {`{"sysctls": {}}`, "format version 0, this program writes 1"},
		"other":     {`{"version": "two"}`, "cannot unmarshal"},
		"truncated": {`{"version": 1, "sysc`, "unexpected end of JSON input"},
		"empty":     {"", "unexpected end of JSON input"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			looking := FileStore{Dir: t.TempDir()}
			if err := os.WriteFile(looking.path(), []byte(c.content), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := looking.Load(); err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("looking: %v, want %q", err, c.why)
			}
			var said error
			changing := looking
			changing.Damaged = func(aside string, why error) { said = errors.Join(errors.New(aside), why) }
			got, err := changing.Load()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(agent.Baseline{Lost: true}, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if said == nil || !strings.Contains(said.Error(), ".damaged") || !strings.Contains(said.Error(), c.why) {
				t.Errorf("said %v", said)
			}
			aside, err := os.ReadFile(looking.path() + ".damaged")
			if err != nil || string(aside) != c.content {
				t.Errorf("set aside: %q, %v", aside, err)
			}
			if err := changing.Save(found()); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a later version adds to a record of this version is no obstacle.
func TestStoreIgnoresWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	s := FileStore{Dir: t.TempDir()}
	if err := s.Save(found()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(s.path())
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Replace(string(b), `"version": 1,`, `"version": 1, "invented": {"later": true},`, 1)
	if err := os.WriteFile(s.path(), []byte(more), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load()
	if err != nil || more == string(b) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(found(), got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

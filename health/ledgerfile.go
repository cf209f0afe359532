package health

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

const (
	ledgerVersion = 1       // of the file's format
	maxLedgerFile = 4 << 20 // bytes that are read of it
	// ledgerEvery is how often the file is written at most.
	ledgerEvery = time.Second
)

// ledgerFile is the ledger between two runs.
type ledgerFile struct {
	Version int     `json:"version"`
	Drifts  []Drift `json:"drifts"`
}

// parseLedger is total. Unknown keys are left to later versions.
func parseLedger(b []byte) ([]Drift, error) {
	var f ledgerFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("not the JSON of a ledger: %w", err)
	}
	if f.Version != ledgerVersion {
		return nil, fmt.Errorf("format version %d, this program writes %d", f.Version, ledgerVersion)
	}
	if len(f.Drifts) > ledgerSize {
		return nil, fmt.Errorf("%d entries: want at most %d", len(f.Drifts), ledgerSize)
	}
	seen := map[string]bool{}
	for i, d := range f.Drifts {
		switch {
		case d.ID == "" || seen[d.ID]:
			return nil, fmt.Errorf("entry %d: no ID of its own", i)
		case d.Times < 1 || d.Attempts < 0 || d.ByPID < 0:
			return nil, fmt.Errorf("entry %d: a count below what is possible", i)
		case d.FirstSeen.IsZero() || d.Since.IsZero() || d.LastSeen.IsZero():
			return nil, fmt.Errorf("entry %d: no time", i)
		case d.Severity == agent.OK || d.By == "":
			return nil, fmt.Errorf("entry %d: not of a drift", i)
		}
		seen[d.ID] = true
	}
	return f.Drifts, nil
}

// loadLedger reads what a former run has left. A file that cannot be
// understood is set aside and told of; the ledger begins anew.
func (h *Health) loadLedger() {
	if h.watch.dir == "" || h.cfg.LedgerFile == "" {
		return
	}
	path := filepath.Join(h.watch.dir, h.cfg.LedgerFile)
	b, err := readSmall(path, maxLedgerFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	drifts, wrong := parseLedger(b)
	switch {
	case err != nil:
		h.complain(fmt.Errorf("ledger: %s: %s: it begins anew", path, cause(err)))
	case wrong != nil:
		aside, err := statedir.SetAside(h.watch.dir, h.cfg.LedgerFile)
		if err != nil {
			h.complain(fmt.Errorf("ledger: %s: %w; setting it aside: %w", path, wrong, err))
			break
		}
		h.complain(fmt.Errorf("ledger: %s: %w; it is now %s, and the ledger begins anew", path, wrong, aside))
	default:
		h.ledger.restore(drifts)
		h.drifts = h.ledger.list()
	}
}

func (h *Health) complain(err error) {
	if h.cfg.Complain != nil {
		h.cfg.Complain(err)
	}
}

// keepLedger writes the ledger whenever it has changed, once a second at most,
// and when ctx ends.
func (h *Health) keepLedger(ctx context.Context) {
	kept, failed := 0, ""
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
		case <-h.noted:
		}
		ended = !sleep(ctx, ledgerEvery) // what comes together is written together
		edition, drifts := h.ledgerNow()
		if edition == kept {
			continue
		}
		err := writeLedger(h.watch.dir, h.cfg.LedgerFile, drifts)
		if err == nil {
			kept, failed = edition, ""
			continue
		}
		signal(h.noted) // to be tried again
		if err.Error() != failed {
			failed = err.Error()
			h.complain(err)
		}
	}
}

func (h *Health) ledgerNow() (edition int, drifts []Drift) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ledger.edition, h.drifts
}

// writeLedger replaces the file, atomically and durably. Without the directory
// there is nothing to be kept: whoever only observes makes none.
func writeLedger(dir, name string, drifts []Drift) error {
	if dir == "" || name == "" {
		return nil
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	b, err := json.MarshalIndent(ledgerFile{ledgerVersion, orEmpty(drifts)}, "", " ")
	if err == nil {
		err = statedir.Replace(dir, name, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("ledger: it is not kept: %w", err)
	}
	return nil
}

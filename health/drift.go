package health

import (
	"strings"
	"time"

	"rsagent/agent"
)

// A Drift is something that was found different from what is wanted, and stays
// in the ledger after its repair: without that a fight looks healthy.
type Drift struct {
	ID        string         `json:"id"`
	Severity  agent.Severity `json:"severity"`
	Want      string         `json:"want"`
	Got       string         `json:"got"`
	Why       string         `json:"why,omitempty"`
	FirstSeen time.Time      `json:"first_seen"`         // ever
	Since     time.Time      `json:"since"`              // this time
	LastSeen  time.Time      `json:"last_seen"`          // differing
	Repaired  time.Time      `json:"repaired,omitzero"`  // in order again; absent while it differs
	Action    string         `json:"action,omitempty"`   // our repair, planned or done; absent if it went by itself
	Times     int            `json:"times"`              // how often it came up
	By        string         `json:"by"`                 // whose doing it was, the last time: agent.Actor's text
	ByPID     int            `json:"by_pid,omitempty"`   // absent if not known
	ByComm    string         `json:"by_comm,omitempty"`  // absent if not known
	ByUID     *int           `json:"by_uid,omitempty"`   // absent if not known
	Attempts  int            `json:"attempts,omitempty"` // to repair it, this time
	Contended bool           `json:"contended,omitempty"`
}

// Open reports whether it differs still.
func (d Drift) Open() bool { return d.Repaired.IsZero() }

// Author returns who did it, as far as that was seen.
func (d Drift) Author() agent.Actor {
	a := agent.Actor{PID: d.ByPID, Comm: d.ByComm}
	if d.ByUID != nil {
		a.UID = *d.ByUID
	}
	return a
}

func (d *Drift) blame(a agent.Actor) {
	d.By, d.ByPID, d.ByComm, d.ByUID = a.String(), a.PID, a.Comm, nil
	if a.Comm != "" {
		uid := a.UID
		d.ByUID = &uid
	}
}

// otherKind is the kind of what has an ID of no known form.
const otherKind = "other"

// driftKinds returns the first parts of the IDs that the ledger may hold: all
// but those of services and probes, which are no reports of the loop, and of
// fights, which are marks on what the fight is about.
func driftKinds() []string {
	var out []string
	seen := map[string]bool{"service": true, "probe": true, contendedKind: true}
	for _, form := range agent.IDForms() {
		kind, _, _ := strings.Cut(form.Form, "/")
		if !seen[kind] {
			seen[kind] = true
			out = append(out, kind)
		}
	}
	return append(out, otherKind)
}

// contendedKind begins the IDs of findings about fights.
const contendedKind = "contended"

// kindOfID returns the first part of an ID: addr, sysctl, link …
func kindOfID(id string, kinds map[string]bool) string {
	kind, _, _ := strings.Cut(id, "/")
	if kinds[kind] {
		return kind
	}
	return otherKind
}

// kindOfAction returns the kind of the findings that the action mends.
func kindOfAction(a agent.Action) string {
	switch a.(type) {
	case agent.LoadModule, agent.UnloadModule:
		return "module"
	case agent.CreateTunnel, agent.DeleteTunnel, agent.LinkUp, agent.LinkDown:
		return "link"
	case agent.SetSysctl, agent.RestoreSysctl:
		return "sysctl"
	case agent.AddAddr, agent.DelAddr, agent.Relabel:
		return "addr"
	case agent.Persist, agent.Unpersist:
		return "persist"
	}
	return otherKind
}

// repairKinds returns the kinds that there are actions of.
func repairKinds() []string {
	return []string{"module", "link", "sysctl", "addr", "persist", otherKind}
}

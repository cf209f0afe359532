package page

import (
	"fmt"
	"slices"

	"rsagent/agent"
	"rsagent/health"
)

// A Hop is one station of the packet's way.
type Hop struct {
	Kind  string // client, director, NIC, tunnel, VIP, service, client
	Name  string // what it is here: tunl0, 172.25.84.100, 200 VIPs
	State State
	Word  string // the state in a word
	Note  string // what is known of it, in a few words
	Tell  []Trouble
	More  int  // how many further findings are not in Tell
	IPIP  bool // from here the packet travels wrapped
	Cut   bool // from here no packet comes any further
	Point agent.Hop
	First bool // the first hop with something to tell
}

// A Trouble is a finding, in words.
type Trouble struct {
	ID, Want, Got, Why, Fix string
	State                   State
	setting                 string // the name of the setting that it is about, or ""
}

// most is how many findings a hop tells.
const most = 3

// walk gathers the findings of each hop.
type walk struct {
	s     health.Snapshot
	told  [agent.Hops][]agent.Finding // what differs, in the report's order
	held  [agent.Hops][]agent.Finding // what is in order
	worst [agent.Hops]agent.Severity
	stale bool
}

func newWalk(s health.Snapshot) *walk {
	w := &walk{s: s, stale: s.Seen.IsZero() || s.Age() > s.Policy.Limit()}
	if s.Seen.IsZero() {
		return w
	}
	for _, f := range s.Report.After {
		if f.Severity == agent.OK {
			i := f.Hop()
			w.held[i] = append(w.held[i], f)
		}
	}
	var probes []agent.Finding
	for _, f := range s.Status().Findings {
		if f.Kind == agent.KindProbe {
			probes = append(probes, f)
			continue
		}
		w.tell(f.Hop(), f)
	}
	broken := w.broken()
	for _, f := range probes {
		at := max(s.Probes[f.VIP].Hop, agent.HopTunnel) // where it enters
		if broken >= 0 {
			at = broken
		}
		w.tell(at, f)
	}
	return w
}

// broken returns the first hop of this host that is known to be broken, -1 if
// there is none: a packet of the probe was lost there.
func (w *walk) broken() agent.Hop {
	for _, i := range []agent.Hop{agent.HopTunnel, agent.HopVIP, agent.HopService} {
		if w.worst[i] == agent.Critical {
			return i
		}
	}
	return -1
}

func (w *walk) tell(i agent.Hop, f agent.Finding) {
	w.told[i] = append(w.told[i], f)
	w.worst[i] = max(w.worst[i], f.Severity)
}

// Hops returns the packet's way as the snapshot has it, and what the traffic
// adds: only packets that arrive show that a client and a director send. A
// snapshot that is stale has no green hop. It is pure.
func Hops(s health.Snapshot, now Rate) []Hop {
	w := newWalk(s)
	hops := make([]Hop, agent.Hops)
	for i := range hops {
		hops[i] = w.hop(agent.Hop(i))
	}
	w.senders(hops, now)
	w.nic(&hops[agent.HopNIC])
	w.tunnel(&hops[agent.HopTunnel])
	w.vip(&hops[agent.HopVIP])
	w.service(&hops[agent.HopService])
	w.answer(&hops[agent.HopReply])
	w.finish(hops)
	return hops
}

func (w *walk) hop(i agent.Hop) Hop {
	h := Hop{
		Kind:  [...]string{"client", "director", "NIC", "tunnel", "VIP", "service", "client"}[i],
		Point: i, IPIP: i == agent.HopDirector || i == agent.HopNIC,
	}
	told := slices.Clone(w.told[i])
	slices.SortStableFunc(told, func(a, b agent.Finding) int { return int(b.Severity) - int(a.Severity) })
	for _, f := range told[:min(len(told), most)] {
		h.Tell = append(h.Tell, trouble(f))
	}
	h.More = len(told) - len(h.Tell)
	switch w.worst[i] {
	case agent.Critical:
		h.State = Bad
	case agent.Warning:
		h.State = Warn
	}
	return h
}

func trouble(f agent.Finding) Trouble {
	t := Trouble{ID: f.ID(), Want: clip(f.Want, 120), Got: clip(f.Got, 120), Why: clip(capital(f.Why), 600), State: stateOf(f.Severity), setting: f.Key.Name}
	if f.Fix != nil {
		t.Fix = f.Fix.String()
	}
	return t
}

// short is the trouble in a few words: "rp_filter is 1, not 0", "down".
func (t Trouble) short() string {
	if t.setting != "" {
		return fmt.Sprintf("%s is %s, not %s", t.setting, t.Got, t.Want)
	}
	return t.Got
}

func stateOf(s agent.Severity) State {
	return map[agent.Severity]State{agent.OK: Good, agent.Warning: Warn, agent.Critical: Bad}[s]
}

// good marks the hop as in order if nothing speaks against it.
func (w *walk) good(h *Hop, note string) {
	if w.worst[h.Point] == agent.OK {
		h.State, h.Note = Good, note
	}
}

// passes reports whether the path of some VIP is in order, drained or not.
func (w *walk) passes() bool {
	return slices.ContainsFunc(w.s.Verdict.VIPs, func(v health.VIPVerdict) bool { return v.History.Ready })
}

// finish makes the words, and draws the line as far as a packet comes.
func (w *walk) finish(hops []Hop) {
	cut, first := false, true
	for i := range agent.Hops {
		h := &hops[i]
		was := h.State
		if w.stale && was == Good {
			h.State = Unknown
		}
		h.Word = h.State.Word()
		switch {
		case w.s.Seen.IsZero() && i > agent.HopDirector:
			h.Note = "not looked at yet"
		case h.State != was:
			h.Word, h.Note = "could not tell", "last seen: "+h.Note
		case w.worst[i] == agent.Unknown:
			h.Word = "could not tell"
		}
		cut = cut || h.State == Bad && (i == agent.HopTunnel || i == agent.HopVIP || i == agent.HopService) && !w.passes()
		h.Cut = cut
		h.First = first && len(h.Tell) > 0
		first = first && !h.First
		if h.Note == "" && len(h.Tell) > 0 {
			h.Note = h.Tell[0].short()
		}
		h.Name, h.Note = clip(h.Name, 24), clip(h.Note, 90)
	}
}

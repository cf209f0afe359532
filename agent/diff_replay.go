package agent

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"rsagent/sysctl"
)

// readers returns the programs in replays, each once.
func readers(replays []Replay) []string {
	var out []string
	for _, r := range replays {
		if !slices.Contains(out, r.Reader) {
			out = append(out, r.Reader)
		}
	}
	return out
}

// overlay carries a program's replay out on settings, and returns what it set.
func (d *differ) overlay(settings map[sysctl.Key]int, replays []Replay, reader string) map[sysctl.Key]Replay {
	set := map[sysctl.Key]Replay{}
	for _, r := range replays {
		if r.Reader == reader {
			settings[r.Key], set[r.Key] = r.Value, r
		}
	}
	d.eachDevice(func(r sysctl.Rule, dev string) {
		own := sysctl.Key{Scope: dev, Name: r.Name}
		by, moved := set[sysctl.Key{Scope: sysctl.Default, Name: r.Name}]
		if _, named := set[own]; moved && !named && d.follows(own) {
			by.Key = own
			settings[own], set[own] = by.Value, by
		}
	})
	return set
}

// follows reports whether a write to default may move the key: nobody has
// written it, for all that can be seen, nor given the device an address, which
// pins its keys.
func (d *differ) follows(own sysctl.Key) bool {
	l, found := d.got.Link(own.Scope)
	if !found || d.got.Adopted[own] || d.got.Sysctls[own] != d.got.Sysctls[sysctl.Key{Scope: sysctl.Default, Name: own.Name}] {
		return false
	}
	return !slices.ContainsFunc(d.got.Addrs, func(a Addr) bool { return a.Index == l.Index })
}

// An undoing is a key that a replay would set so that the path breaks.
type undoing struct {
	rule    sysctl.Rule
	by      []Replay // one for each program that does it
	devices []string
	sysctl.Judgement
	all, own int // after the replay, of the first device
}

// undoings judges by effective values what each program would leave.
func (d *differ) undoings() []undoing {
	var list []undoing
	before := d.settled()
	for _, reader := range readers(d.got.Replays) {
		after := maps.Clone(before)
		set := d.overlay(after, d.got.Replays, reader)
		d.eachDevice(func(r sysctl.Rule, dev string) {
			own := sysctl.Key{Scope: dev, Name: r.Name}
			all := sysctl.Key{Scope: sysctl.All, Name: r.Name}
			j := r.Judge(dev, after[all], after[own])
			for _, by := range setters(j, all, own, set, before) {
				list = join(list, undoing{r, []Replay{by}, []string{dev}, j, after[all], after[own]})
			}
		})
	}
	return list
}

// setters returns the lines to blame: those that set what would have to be
// changed, or else, where a value became too small, those that changed one.
// Our own file is put right by a fix of its own.
func setters(j sysctl.Judgement, all, own sysctl.Key, set map[sysctl.Key]Replay, before map[sysctl.Key]int) []Replay {
	if j.Good {
		return nil
	}
	var out, changed []Replay
	for _, key := range []sysctl.Key{all, own} {
		by, ok := set[key]
		if !ok || by.File == PersistPath {
			continue
		}
		if slices.Contains(j.Culprits, key.Scope) {
			out = append(out, by)
		}
		if by.Value != before[key] {
			changed = append(changed, by)
		}
	}
	if len(out) == 0 {
		return changed
	}
	return out
}

// join adds u to the undoing of the same key, if there is one.
func join(list []undoing, u undoing) []undoing {
	i := slices.IndexFunc(list, func(o undoing) bool { return o.by[0].Key == u.by[0].Key })
	if i < 0 {
		return append(list, u)
	}
	if !slices.Contains(list[i].devices, u.devices[0]) {
		list[i].devices = append(list[i].devices, u.devices[0])
	}
	if !slices.ContainsFunc(list[i].by, func(r Replay) bool { return r.Reader == u.by[0].Reader }) {
		list[i].by = append(list[i].by, u.by[0])
	}
	return list
}

func (d *differ) undoing(u undoing) {
	by := u.by[0]
	got := fmt.Sprintf("%d from %s", by.Value, by.Place())
	d.add(Finding{
		Subject: Subject{Kind: KindPersistKey, Key: by.Key}, Severity: Warning,
		Want: strconv.Itoa(u.rule.Want), Got: got, Why: u.explain(),
		Row: &Row{"persist", u.rule.Name, on(u.rule.Want, u.devices), got},
	})
}

// explain says who will do what, what comes of it, and what ends it.
func (u undoing) explain() string {
	var who []string
	for _, by := range u.by {
		text := by.Reader
		if by.Place() != u.by[0].Place() {
			text += fmt.Sprintf(" (%d from %s)", by.Value, by.Place())
		}
		who = append(who, text)
	}
	by := u.by[0]
	line := fmt.Sprintf("%s=%d", by.Key, u.rule.Want)
	end := fmt.Sprintf("Write %s there, or take the line out", line)
	if by.Glob {
		end = fmt.Sprintf("A key of its own is stronger than a pattern: put %s into a file of /etc/sysctl.d", line)
	}
	sets := "sets"
	if len(who) > 1 {
		sets = "set"
	}
	return fmt.Sprintf("at the next replay or boot %s %s %s to %d, and then, as the larger of all (%d) and %s (%d) counts: %s. %s.",
		strings.Join(who, " and "), sets, by.Key, by.Value, u.all, u.devices[0], u.own, u.Why, end)
}

package agent

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// What is undone again and again is contended, and said to be. Repairing it is
// still right, and cheap, as long as the other takes his time. Against one who
// undoes it at once, time after time, doing it faster wins nothing: it is
// repaired ever more rarely then, until he stops or slows down.
const (
	contendedTimes  = 10 // repairs
	contendedWindow = 2 * time.Minute
	contendedQuiet  = 10 * time.Second // at least, for it to be over

	atOnce      = 200 * time.Millisecond
	freeRepeats = 10 // at once, in a row
	firstRest   = 100 * time.Millisecond
	longestRest = 5 * time.Second
)

// A Conflict is a fight that is going on.
type Conflict struct {
	Subject
	Fix   Action
	Since time.Time // of the first repair
	Times int       // repairs
	Until time.Time // the next one is not before this
	By    Actor     // who undid it last, if that was seen
	// Owner says who that may be and which setting ends the fight, one
	// sentence each. It is evidence from the host, see Loop.Owner.
	Owner []string
}

type fight struct {
	Conflict
	recent    []time.Time // the last repairs, contendedTimes at most
	streak    int         // of repairs that were undone at once
	rest      time.Duration
	contended bool
}

// fights knows what was repaired lately, by action. The zero value is ready.
type fights struct {
	byFix    map[Action]*fight
	repeated map[Action]*fight // those of more than one repair: the few that may be fights
	swept    time.Time         // when byFix was last looked through
}

// sweep is how often all that was repaired is looked through: there may be ten
// thousand of it.
const sweep = time.Second

// note takes the outcome of a pass. It returns what has become contended.
func (f *fights) note(r Report, now time.Time) (started []Conflict) {
	if len(r.Done) == 0 {
		f.name(r)
		return nil
	}
	asked := map[Action]bool{}
	for _, b := range r.Before {
		if b.Fix != nil {
			asked[b.Fix] = true
		}
	}
	for _, s := range r.Done {
		if s.Err == nil && asked[s.Action] && f.repaired(s.Repair, now) {
			started = append(started, f.byFix[s.Action].Conflict)
		}
	}
	f.name(r)
	return started
}

// name keeps who was last seen to make the difference that a fight is about.
func (f *fights) name(r Report) {
	if len(f.repeated) == 0 || len(r.Audit) == 0 {
		return
	}
	got := map[Subject]string{}
	for _, list := range [][]Finding{r.After, r.Before} {
		for _, d := range NotOK(list) {
			got[d.Subject] = d.Got
		}
	}
	for _, g := range f.repeated {
		for _, t := range r.Audit {
			if t.Subject == g.Subject && t.By.Known() && (t.New == "" || t.New == got[g.Subject]) {
				g.By = t.By
			}
		}
	}
}

// repaired counts a repair and reports whether a fight has begun with it.
func (f *fights) repaired(r Repair, now time.Time) bool {
	fix := r.Action
	if f.byFix == nil {
		f.byFix, f.repeated = map[Action]*fight{}, map[Action]*fight{}
	}
	g := f.byFix[fix]
	if g == nil || g.over(now) {
		g = &fight{Conflict: Conflict{Subject: r.Subject, Fix: fix, Since: now, Until: now}}
		f.byFix[fix] = g
		delete(f.repeated, fix)
	} else {
		f.repeated[fix] = g
	}
	switch late := now.Sub(g.Until); {
	case late <= atOnce:
		g.streak++
	case late > g.rest: // he takes his time
		g.streak = 1
	default: // slower than before
		g.streak = max(g.streak-1, 1)
	}
	g.Times++
	g.recent = append(g.recent, now)
	g.recent = g.recent[max(0, len(g.recent)-contendedTimes):]
	g.rest = 0
	if over := g.streak - freeRepeats; over > 0 {
		g.rest = min(firstRest<<min(over-1, 10), longestRest)
	}
	g.Until = now.Add(jitter(g.rest))
	began := !g.contended && len(g.recent) == contendedTimes && now.Sub(g.recent[0]) <= contendedWindow
	g.contended = g.contended || began
	return began
}

// jitter returns d, a fifth more or less: fights on many servers that began
// together do not go on in step.
func jitter(d time.Duration) time.Duration {
	return d - d/5 + rand.N(2*d/5+1)
}

// over reports whether a thing has stayed in order long enough: long after the
// other would have been expected again.
func (g *fight) over(now time.Time) bool {
	if !g.contended {
		return now.Sub(g.Until) > contendedWindow
	}
	span := g.recent[len(g.recent)-1].Sub(g.recent[0])
	return now.Sub(g.Until) > max(contendedQuiet, 3*span/(contendedTimes-1))
}

// forget drops what is over.
func (f *fights) forget(now time.Time) {
	over := func(_ Action, g *fight) bool { return g.over(now) }
	for fix, g := range f.repeated {
		if g.over(now) {
			delete(f.byFix, fix)
		}
	}
	maps.DeleteFunc(f.repeated, over)
	if now.Sub(f.swept) >= sweep {
		f.swept = now
		maps.DeleteFunc(f.byFix, over)
	}
}

// held reports whether fix has to rest now.
func (f *fights) held(fix Action, now time.Time) bool {
	g := f.repeated[fix]
	return g != nil && now.Before(g.Until)
}

// hold leaves out of a plan what has to rest. What another action of the plan
// is unsafe without is not left out: one fight must not delay another repair.
func (f *fights) hold(plan []Repair, now time.Time) []Repair {
	if len(f.repeated) == 0 {
		return plan
	}
	out := slices.DeleteFunc(slices.Clone(plan), func(r Repair) bool { return f.held(r.Action, now) })
	needed := map[Phase]bool{}
	for _, r := range out {
		for p := PhaseTunnel; p < r.Action.Phase(); p++ {
			needed[p] = needed[p] || withheld(r.Action.Phase(), map[Phase]bool{p: true})
		}
	}
	return slices.DeleteFunc(slices.Clone(plan), func(r Repair) bool {
		return f.held(r.Action, now) && !needed[r.Action.Phase()]
	})
}

// next returns when the first thing that rests has rested, and which findings
// rest now.
func (f *fights) next(now time.Time) (at time.Time, resting map[Subject]bool) {
	if len(f.repeated) == 0 {
		return at, nil
	}
	resting = map[Subject]bool{}
	for _, g := range f.repeated {
		if !now.Before(g.Until) {
			continue
		}
		resting[g.Subject] = true
		if at.IsZero() || g.Until.Before(at) {
			at = g.Until
		}
	}
	return at, resting
}

// contentions returns the fights that are going on, in order of their IDs.
func (f *fights) conflicts() []Conflict {
	var out []Conflict
	for _, g := range f.repeated {
		if g.contended {
			out = append(out, g.Conflict)
		}
	}
	slices.SortFunc(out, func(a, b Conflict) int { return strings.Compare(a.ID(), b.ID()) })
	return out
}

// finding turns a contention into a warning. What the fight is about is a
// finding of its own, and that one decides on readiness.
func (c Conflict) finding(now time.Time) Finding {
	got := fmt.Sprintf("undone %d times in %s", c.Times, now.Sub(c.Since).Round(time.Second))
	if c.By.Known() {
		got += " by " + c.By.String()
	}
	why := "somebody else keeps changing it. It is repaired each time, but ever more rarely, down to every 5 s, while it is undone at once."
	for _, s := range c.Owner {
		why += " " + s
	}
	return Finding{
		Subject: c.Subject.Conflict(), Severity: Warning, Want: "left alone", Got: got, Why: why,
		Row: &Row{"contended", c.ID(), "left alone", got},
	}
}

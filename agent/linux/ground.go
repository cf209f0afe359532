package linux

import (
	"maps"
	"slices"
	"sync"
	"time"

	"rsagent/agent"
	"rsagent/sysctl"
)

// groundAge is how long devices and settings are taken as read. What is not
// announced (arp_*, where writes are not witnessed) is looked at every interval
// anyway, which is the promise about it; a repair in between may rely on that
// look, and is verified by another.
const groundAge = 2 * time.Second

// A ground remembers the devices and settings of the last reading, follows
// what is announced about settings and what we write to them, and is forgotten
// when devices change. On it a repair reads nothing but what may have changed.
type ground struct {
	mu      sync.Mutex
	valid   bool
	version int // counts what was announced
	read    time.Time
	links   []agent.Link
	sysctls map[sysctl.Key]int // never changed in place
	gaps    []agent.Gap
	dubious []sysctl.Key       // may have been written since
	mine    map[sysctl.Key]int // what we write, until it is announced
}

// begin returns the version to be given to keep.
func (g *ground) begin() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.version
}

// keep remembers a reading that began at a version, if that still is the
// version.
func (g *ground) keep(version int, got agent.Observed, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if version != g.version {
		return
	}
	g.valid, g.read, g.links, g.sysctls, g.gaps, g.dubious = true, now, got.Links, got.Sysctls, slices.Clip(got.Gaps), nil
}

// take fills in what is remembered, if anything is.
func (g *ground) take(got *agent.Observed, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.valid || now.Sub(g.read) > groundAge {
		return false
	}
	got.Links, got.Sysctls, got.Gaps = g.links, g.sysctls, g.gaps
	return true
}

// fresh reports whether what is remembered is all that counts: nothing may have
// been written since.
func (g *ground) fresh(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.valid && now.Sub(g.read) <= groundAge && len(g.dubious) == 0
}

// index returns the index of a remembered device.
func (g *ground) index(name string) (int, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.links {
		if g.valid && l.Name == name {
			return l.Index, true
		}
	}
	return 0, false
}

// drop forgets.
func (g *ground) drop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.valid, g.dubious = false, nil
	g.version++
}

// suspect takes a setting that is about to be written, or just was, by
// somebody else.
func (g *ground) suspect(key sysctl.Key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.version++
	if g.valid && !slices.Contains(g.dubious, key) {
		g.dubious = append(g.dubious, key)
	}
}

// suspects returns the suspected settings, once.
func (g *ground) suspects() []sysctl.Key {
	g.mu.Lock()
	defer g.mu.Unlock()
	keys := g.dubious
	g.dubious = nil
	return keys
}

// knows reports whether anything is remembered of the setting.
func (g *ground) knows(key sysctl.Key) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, known := g.sysctls[key]
	return g.valid && known
}

// write is called before we write a setting.
func (g *ground) write(key sysctl.Key, value int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mine == nil {
		g.mine = map[sysctl.Key]int{}
	}
	g.mine[key] = value
}

// wrote reports whether an announced setting is what we wrote last. It is so
// once: when it is announced again it was somebody else.
func (g *ground) wrote(key sysctl.Key, value int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	v, is := g.mine[key]
	delete(g.mine, key)
	return is && v == value
}

// set follows an announced setting. That of default reaches devices too.
func (g *ground) set(key sysctl.Key, value int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.version++
	if key.Scope == sysctl.Default {
		g.valid = false
	}
	if !g.valid {
		return
	}
	if v, known := g.sysctls[key]; known && v == value {
		return
	}
	g.sysctls = maps.Clone(g.sysctls)
	g.sysctls[key] = value
}

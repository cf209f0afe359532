package kernel

import (
	"maps"
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

// A ground remembers the devices and settings of the last reading until
// something is announced about them, or done by us. On it a repair costs no
// reading before it, and one after.
type ground struct {
	mu      sync.Mutex
	valid   bool
	version int // counts what was announced
	read    time.Time
	links   []agent.Link
	sysctls map[sysctl.Key]int // never changed in place
	gaps    []agent.Gap
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
	g.valid, g.read, g.links, g.sysctls, g.gaps = true, now, got.Links, got.Sysctls, got.Gaps
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
	g.valid = false
	g.version++
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
	g.sysctls = maps.Clone(g.sysctls)
	g.sysctls[key] = value
}

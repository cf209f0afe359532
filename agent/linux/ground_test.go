package linux

import (
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/sysctl"
)

var (
	allFilter     = sysctl.Key{Scope: sysctl.All, Name: sysctl.RPFilter}
	defaultFilter = sysctl.Key{Scope: sysctl.Default, Name: sysctl.RPFilter}
	allIgnore     = sysctl.Key{Scope: sysctl.All, Name: sysctl.ARPIgnore}
)

// grounded is a kernel that remembers that rp_filter is 0.
func grounded() *Host {
	k := &Host{}
	got := agent.Observed{Sysctls: map[sysctl.Key]int{allFilter: 0, defaultFilter: 0, allIgnore: 1}}
	k.ground.keep(k.ground.begin(), got, time.Now())
	return k
}

// tell announces a value of rp_filter, and returns the settings that the hint
// is about.
func (k *Host) tell(scope, value int) []sysctl.Key {
	data := []byte{unix.AF_INET, 0, 0, 0}
	data = append(data, nl.NewRtAttr(netconfIndex, nl.Uint32Attr(uint32(int32(scope)))).Serialize()...)
	data = append(data, nl.NewRtAttr(netconfRPFilter, nl.Uint32Attr(uint32(value))).Serialize()...)
	return k.toldConf(&syscall.NetlinkMessage{Data: data}, false).Keys
}

// Only what we wrote is no news, and only once. That a reading has the value
// already does not make it old: whoever made that reading may not be the loop.
func TestOnlyOurWritesAreNoNews(t *testing.T) {
	news := []sysctl.Key{allFilter}
	for _, row := range []struct {
		name  string
		wrote bool // 0, by us
		said  []int
		want  [][]sysctl.Key
	}{
		{"known from a reading", false, []int{0}, [][]sysctl.Key{news}},
		{"another value", false, []int{1, 1}, [][]sysctl.Key{news, news}},
		{"ours", true, []int{0}, [][]sysctl.Key{nil}},
		{"ours, and somebody else's of the same value", true, []int{0, 0}, [][]sysctl.Key{nil, news}},
		{"somebody was quicker", true, []int{1, 0}, [][]sysctl.Key{news, news}},
		{"somebody was next", true, []int{0, 1}, [][]sysctl.Key{nil, news}},
	} {
		k := grounded()
		if row.wrote {
			k.ground.write(allFilter, 0)
		}
		for i, value := range row.said {
			if diff := cmp.Diff(row.want[i], k.tell(netconfAll, value)); diff != "" {
				t.Errorf("%s, %d (-want +got):\n%s", row.name, i, diff)
			}
			var got agent.Observed
			if !k.ground.take(&got, time.Now()) || got.Sysctls[allFilter] != value {
				t.Errorf("%s, %d: remembered %v, want %d", row.name, i, got.Sysctls, value)
			}
		}
	}
}

// The value of default reaches devices that are not named: what is remembered
// of them is not true any more, whatever it was.
func TestDefaultIsForgotten(t *testing.T) {
	k := grounded()
	if got := k.tell(netconfDefault, 0); !slices.Equal(got, []sysctl.Key{defaultFilter}) {
		t.Errorf("hint about %v", got)
	}
	if k.ground.take(&agent.Observed{}, time.Now()) {
		t.Error("still remembered")
	}
}

// A suspicion outlives what is remembered meanwhile, keeps a reading that was
// begun before it from being remembered, and is looked into once.
func TestSuspicion(t *testing.T) {
	k := grounded()
	version := k.ground.begin()
	k.ground.suspect(allIgnore)
	k.ground.suspect(allIgnore)
	k.ground.keep(version, agent.Observed{}, time.Now())
	k.ground.set(allIgnore, 2)
	if got := k.ground.suspects(); !slices.Equal(got, []sysctl.Key{allIgnore}) {
		t.Errorf("suspects %v", got)
	}
	if got := k.ground.suspects(); len(got) > 0 {
		t.Errorf("suspects again: %v", got)
	}
	var got agent.Observed
	if !k.ground.take(&got, time.Now()) || got.Sysctls[allIgnore] != 2 || got.Sysctls[allFilter] != 0 {
		t.Errorf("remembered %v", got.Sysctls)
	}
}

// A write that the kernel announces itself is a hint for its author's sake
// alone; any other is looked at when it is about to happen, and when it has.
func TestOnWrite(t *testing.T) {
	trace := []agent.AuditRecord{{Subject: agent.SubjectOf(allFilter), By: agent.Actor{PID: 1}}}
	for _, row := range []struct {
		name  string
		hint  agent.Hint
		times int
	}{
		{"announced", agent.Hint{Keys: []sysctl.Key{allFilter}}, 0},
		{"announced, author known", agent.Hint{Keys: []sysctl.Key{allFilter}, Audit: trace}, 1},
		{"not announced", agent.Hint{Keys: []sysctl.Key{allIgnore}}, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			k, box := grounded(), agent.NewMailbox()
			k.onWrite(row.hint, box)
			times := 0
			for range 2 {
				select {
				case <-box.Hints():
					times++
					if got := k.ground.suspects(); !slices.Equal(got, row.hint.Keys) {
						t.Errorf("%s: suspects %v", row.name, got)
					}
				default:
				}
				time.Sleep(2 * recheckDelay)
			}
			if times != row.times {
				t.Errorf("%s: %d hints, want %d", row.name, times, row.times)
			}
		})
	}
}

package linux

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rsagent/agent"
)

// standing is a kernel on which a repair may be made at once.
func standing() *Host {
	k := grounded()
	k.reflexes.conn = &conn{}
	k.Stand(&agent.Standing{}, k.reflexes.edition())
	return k
}

func (k *Host) mayRepair() bool {
	mended := 0
	k.reflex(func(*agent.Standing) (agent.Reflex, bool) { mended++; return agent.Reflex{}, false }, nil)
	return mended > 0
}

// A repair is permitted once, and no longer when anything was announced,
// written or read since.
func TestReflexPermission(t *testing.T) {
	for _, row := range []struct {
		name string
		do   func(*Host)
		may  bool
	}{
		{"nothing", func(*Host) {}, true},
		{"a repair", func(k *Host) { k.mayRepair() }, false},
		{"taken back", func(k *Host) { k.Stand(nil, 0) }, false},
		{"something announced", func(k *Host) { k.reflexes.disturbed() }, false},
		{"a repair that is not told", func(k *Host) {
			k.reflexes.keeps(agent.Hint{Mended: []agent.Reflex{{}}})
			k.Stand(&agent.Standing{}, k.reflexes.edition())
		}, false},
		{"a write by somebody", func(k *Host) { k.suspect(allIgnore, agent.Hint{}, agent.NewMailbox()) }, false},
		{"devices changed", func(k *Host) { k.ground.drop() }, false},
		{"an old reading", func(*Host) { time.Sleep(groundAge + time.Second) }, false},
		{"announced after the reading", func(k *Host) {
			read := k.reflexes.edition()
			k.reflexes.disturbed()
			k.Stand(&agent.Standing{}, read)
		}, false},
		{"announced before the reading", func(k *Host) {
			k.reflexes.disturbed()
			k.Stand(&agent.Standing{}, k.reflexes.edition())
		}, true},
		{"no socket", func(k *Host) { k.reflexes.conn = nil; k.Stand(&agent.Standing{}, k.reflexes.edition()) }, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := standing()
			row.do(k)
			if may := k.mayRepair(); may != row.may {
				t.Errorf("after %s: permitted %v, want %v", row.name, may, row.may)
			}
		})
	}
}

// What is heard before a repair is told is told with it; the route of the same
// address is no news, that of another is.
func TestReflexIsToldAfterwards(t *testing.T) {
	vip, other := netip.MustParseAddr("172.25.84.100"), netip.MustParseAddr("172.25.84.101")
	about := func(a netip.Addr) agent.Hint { return agent.Hint{Addrs: []netip.Addr{a}} }
	var r reflexes
	if r.keeps(about(other)) || r.covers(about(vip)) {
		t.Error("kept, or covered, although nothing was repaired")
	}
	repaired := about(vip)
	repaired.Mended = []agent.Reflex{{Got: 1}}
	if !r.keeps(repaired) || !r.keeps(about(other)) || !r.covers(about(vip)) || r.covers(agent.Hint{}) || r.covers(everything) {
		t.Error("not kept, or not covered")
	}
	want := agent.Hint{Addrs: []netip.Addr{vip, other}, Mended: repaired.Mended}
	if diff := cmp.Diff(want, r.tell(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if r.keeps(about(other)) || r.covers(about(vip)) {
		t.Error("kept, or covered, after it was told")
	}
}

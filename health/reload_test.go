package health

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// A VIP that joins and of which nothing is ever known counts after all.
func TestGraceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.VIPs = cfg.VIPs[:1]
		h := New(cfg)
		h.Report(inOrder(), nil)
		cfg.VIPs = []netip.Addr{vipA, netip.MustParseAddr("172.25.84.109")}
		h.Reload(cfg)
		for i := range 4 {
			h.Report(inOrder(), nil)
			if ready := i < 3; h.Ready() != ready {
				t.Errorf("after %d s: ready %v", i, !ready)
			}
			time.Sleep(time.Second)
		}
	})
}

// A shorter interval does not make the last report stale at once.
func TestReloadToShorterInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Interval = time.Hour
		h := New(cfg)
		h.Report(inOrder(), nil)
		time.Sleep(time.Minute)
		cfg.Interval = time.Second
		h.Reload(cfg)
		if s := h.Snapshot(); !s.Verdict.Ready || !s.Live() {
			t.Error("not ready, or not live")
		}
		time.Sleep(4 * time.Second)
		if s := h.Snapshot(); s.Verdict.Ready || s.Live() {
			t.Error("ready or live without a pass")
		}
	})
}

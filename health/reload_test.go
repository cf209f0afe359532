package health

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// A service that is asked for from now on does not take the VIP out before it
// was asked, and a VIP that joins does not take the host out.
func TestReloadTakesNothingOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Services, cfg.Dial = []Service{{VIP: vipA, Port: 80}}, new(fickle).dial
		h := New(cfg)
		run(t, h)
		pass(h, 4)
		cfg.Services = append(cfg.Services, Service{VIP: vipA, Port: 81})
		joined := netip.MustParseAddr("172.25.84.102")
		cfg.VIPs = append(cfg.VIPs, joined)
		h.Reload(cfg)
		if s := h.Snapshot(); !s.Verdict.Ready || s.Verdict.VIPs[2].Ready {
			t.Error("a reload took the host out, or vouched for a VIP:", s.Verdict.Reasons)
		}
		h.Report(inOrder(critical("addr/tunl0/172.25.84.102")), nil)
		if h.Ready() {
			t.Error("a VIP that joined and is missing does not count")
		}
	})
}

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

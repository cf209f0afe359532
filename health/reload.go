package health

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Reload takes a new config. VIPs that stay keep their history. A VIP that
// joins does not take a host out that is in service: the host is judged
// without it until something is known about it, for three intervals (of the
// loop or of the probe, the longer) at most. StateDir,
// LedgerFile, Complain and Dial stay as they were.
func (h *Health) Reload(cfg Config) {
	h.mu.Lock()
	defer h.mu.Unlock()
	cfg.StateDir, cfg.LedgerFile, cfg.Complain, cfg.Dial = h.watch.dir, h.cfg.LedgerFile, h.cfg.Complain, h.dial
	cfg = cfg.normal()
	grace := time.Time{}
	if h.current.Load().Verdict.Ready {
		grace = time.Now().Add(3 * max(cfg.Interval, cfg.ProbeInterval))
	}
	h.wind(cfg.Interval)
	history := map[netip.Addr]History{}
	probes := map[netip.Addr]ProbeResult{}
	for _, vip := range cfg.VIPs {
		old, stays := h.history[vip]
		if !stays {
			old = History{Grace: grace}
		}
		history[vip] = old
		if r, ok := h.probes[vip]; ok && cfg.ProbeInterval > 0 {
			probes[vip] = r
		}
	}
	maps.DeleteFunc(h.services, func(s Service, _ ServiceResult) bool { return !slices.Contains(cfg.Services, s) })
	h.cfg, h.history, h.probes = cfg, history, probes
	h.interval.Store(int64(cfg.Interval))
	h.evaluate()
	signal(h.reload)
}

// wind starts the clock anew when the interval gets shorter: what is fresh by
// the old one must not be stale before the next pass.
func (h *Health) wind(interval time.Duration) {
	now := time.Now()
	if interval >= h.cfg.Interval || h.seen.IsZero() || now.Sub(h.seen) > h.cfg.policy().Limit() {
		return
	}
	for vip, one := range h.history {
		if one.Verified.Equal(h.seen) {
			one.Verified = now
			h.history[vip] = one
		}
	}
	h.seen, h.beat = now, now
}

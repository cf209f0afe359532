package main

import (
	"time"

	"rsagent/agent"
	"rsagent/agent/linux"
	"rsagent/health"
)

// sources says what the daemon hears of changes from, for the views. It is
// called when that may have changed.
func (d *daemon) sources(interval time.Duration) {
	d.hearing.Lock()
	defer d.hearing.Unlock()
	if interval > 0 {
		d.interval = interval
	}
	netlink := health.Source{Name: "netlink", Detail: "devices, addresses, rp_filter, rules"}
	if d.writes.AddrActors {
		netlink.Detail += ", with who changed addresses"
	}
	list := []health.Source{netlink}
	switch w := d.writes; {
	case w.Source == "":
	case w.NamesWriter:
		list = append(list, health.Source{Name: w.Source, Detail: "writes to settings, with who wrote"})
	default:
		list = append(list, health.Source{Name: w.Source, Detail: "writes to settings"})
	}
	list = append(list, health.Source{Name: "poll", Detail: "everything, every " + d.interval.String()})
	d.front.health.SetSources(list)
}

// onAuditStatus takes how writes to settings are seen, and says once what stands
// in a better way.
func (d *daemon) onAuditStatus(w linux.AuditStatus) {
	d.hearing.Lock()
	d.writes = w
	d.hearing.Unlock()
	d.sources(0)
	if w.AddrErr != nil {
		d.log.WithField("why", w.AddrErr).Info("who changes addresses and takes devices down is not known")
	}
	switch {
	case w.Source == "":
		d.log.WithField("why", w.BetterErr).Info("writes to settings are not seen as they happen; arp_ignore and arp_announce are looked at every interval")
	case w.BetterErr != nil:
		d.log.WithField("source", w.Source).WithField("why", w.BetterErr).Info("writes to settings are seen, but not in the best way")
	default:
		d.log.WithField("source", w.Source).Info("writes to settings are seen as they happen")
	}
}

// owner is asked who may be on the other side of a fight.
func (d *daemon) owner(want agent.Desired, c agent.Conflict) []string {
	return d.kernel.Owner(d.command.Context(), want, c)
}

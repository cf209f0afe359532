package agent

// A Policy says of each kind of repair whether it is done or only reported.
// The zero Policy does everything.
type Policy struct {
	ReportTunnel    bool // the module and the device, also that it is up
	ReportSysctl    bool
	ReportAddresses bool
	ReportPersist   bool // the file under /run/sysctl.d
}

// Kind is what an action changes; kinds are the keys of policy in the config.
type Kind string

// The kinds.
const (
	KindTunnel    Kind = "tunnel"
	KindSysctl    Kind = "sysctl"
	KindAddresses Kind = "addresses"
	KindPersist   Kind = "persist"
)

// KindOf returns the kind of an action.
func KindOf(a Action) Kind {
	switch a.(type) {
	case SetSysctl, RestoreSysctl:
		return KindSysctl
	case AddAddr, DelAddr, Relabel:
		return KindAddresses
	case Persist, Unpersist:
		return KindPersist
	}
	return KindTunnel
}

// reports reports whether actions of the kind are only reported.
func (d Desired) reports(k Kind) bool {
	switch k {
	case KindTunnel:
		return d.ObserveOnly || d.Policy.ReportTunnel
	case KindSysctl:
		return d.ObserveOnly || d.Policy.ReportSysctl
	case KindAddresses:
		return d.ObserveOnly || d.Policy.ReportAddresses
	case KindPersist:
		return d.ObserveOnly || d.Policy.ReportPersist
	}
	return d.ObserveOnly
}

// permit divides a plan into what may be done and what is only reported. What
// is unsafe without something that is only reported is not done either, as if
// that had failed.
func (d Desired) permit(plan []Action) (do, would []Action) {
	missing := map[Phase]bool{}
	for _, a := range plan { // in the order of phases
		if d.reports(KindOf(a)) || withheld(a.Phase(), missing) {
			missing[a.Phase()] = true
			would = append(would, a)
			continue
		}
		do = append(do, a)
	}
	return do, would
}

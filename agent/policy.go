package agent

// A Policy says of each kind of repair whether it is done or only reported.
// The zero Policy does everything.
type Policy struct {
	ReportTunnel    bool // the module and the device, also that it is up
	ReportSysctl    bool
	ReportAddresses bool
	ReportPersist   bool // the file under /run/sysctl.d
}

// A PolicyKind is a key of policy in the config: what repairs change.
type PolicyKind string

// The kinds.
const (
	PolicyTunnel    PolicyKind = "tunnel"
	PolicySysctl    PolicyKind = "sysctl"
	PolicyAddresses PolicyKind = "addresses"
	PolicyPersist   PolicyKind = "persist"
)

// reports reports whether repairs of the kind are only reported.
func (d Desired) reports(k PolicyKind) bool {
	switch k {
	case PolicyTunnel:
		return d.ObserveOnly || d.Policy.ReportTunnel
	case PolicySysctl:
		return d.ObserveOnly || d.Policy.ReportSysctl
	case PolicyAddresses:
		return d.ObserveOnly || d.Policy.ReportAddresses
	case PolicyPersist:
		return d.ObserveOnly || d.Policy.ReportPersist
	}
	return d.ObserveOnly
}

// splitByPolicy divides a plan into what is done and what is only reported.
// What is unsafe without something that is only reported is not done either,
// as if that had failed.
func (d Desired) splitByPolicy(plan []Repair) (do, report []Repair) {
	missing := map[Phase]bool{}
	for _, r := range plan { // in the order of phases
		phase := r.Action.Phase()
		if d.reports(kinds[r.Kind].policy) || withheld(phase, missing) {
			missing[phase] = true
			report = append(report, r)
			continue
		}
		do = append(do, r)
	}
	return do, report
}

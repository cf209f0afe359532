package agent

// Status is a report as programs read it: the object that check -o json and
// /status print.
type Status struct {
	State    Severity  `json:"state"`
	Node     string    `json:"node"`
	Config   string    `json:"config"` // hash of the effective config, see config.Config.Hash
	Findings []Finding `json:"findings"`
}

// Status returns what is left of the report's findings, in order ones left out.
func (r Report) Status(node, config string) Status {
	findings := NotOK(r.After)
	if findings == nil {
		findings = []Finding{} // an empty list, not null
	}
	return Status{State: r.State(), Node: node, Config: config, Findings: findings}
}

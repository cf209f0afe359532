package agent

import "regexp"

// An IDForm describes the findings whose IDs have one form. IDs are part of
// the interface: monitoring and scripts match them, so a form stays what it is.
type IDForm struct {
	// Form is how people write it. Words in capitals stand for what differs,
	// and [ ] encloses what may be absent.
	Form string
	// Severities are those that such a finding may have besides OK, the
	// likeliest first.
	Severities []Severity
	Meaning    string // when it is not in order: half a sentence
	pattern    *regexp.Regexp
}

// Match reports whether id has the form.
func (f IDForm) Match(id string) bool { return f.pattern.MatchString(id) }

func whole(pattern string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + pattern + `)$`) }

// Parts of patterns. A name of a device may have any character but the slash.
const (
	patternDevice = `[^/]+`
	patternVIP    = `[0-9]+(?:\.[0-9]+){3}`
)

// IDForms returns all forms, those of the health endpoint included, in the
// order in which a report has them. Every ID matches exactly one.
func IDForms() []IDForm {
	return []IDForm{{
		"module/ipip", []Severity{Critical},
		"the module ipip is not loaded",
		whole(`module/ipip`),
	}, {
		"link/DEVICE", []Severity{Critical},
		"the tunnel device is missing, or something of another kind has its name",
		whole(`link/` + patternDevice),
	}, {
		"link/DEVICE/up", []Severity{Critical},
		"the tunnel device is down",
		whole(`link/` + patternDevice + `/up`),
	}, {
		"sysctl/KEY", []Severity{Critical, Warning, Unknown},
		"the key makes an effective value wrong; a warning where that stops no packet, unknown if the key could not be read",
		whole(`sysctl/net\.ipv4\.conf\.\S+\.(?:arp_ignore|arp_announce|rp_filter)`),
	}, {
		"addr/DEVICE/ADDRESS[/BITS]", []Severity{Critical, Warning},
		"the VIP is not on the tunnel, or is on another device, where it must not be; a warning for a VIP without our label, one on lo, or an address of the tunnel that nobody asked for",
		whole(`addr/` + patternDevice + `/` + patternVIP + `(?:/[0-9]+)?`),
	}, {
		"route/VIP", []Severity{Critical, Warning},
		"the kernel would not take a packet for the VIP that comes out of the tunnel; a warning if it refuses only clients from afar",
		whole(`route/` + patternVIP),
	}, {
		"shadow/DEVICE", []Severity{Critical, Warning},
		"another IPIP device gets the director's packets; a warning if it might",
		whole(`shadow/` + patternDevice),
	}, {
		"gateway", []Severity{Warning},
		"the default gateway is a director or a VIP",
		whole(`gateway`),
	}, {
		"source/VIP", []Severity{Warning},
		"this host's own connections leave with the VIP as source",
		whole(`source/` + patternVIP),
	}, {
		"senders", []Severity{Warning},
		"the config names no directors, so anyone may tunnel to this host",
		whole(`senders`),
	}, {
		"persist/KEY", []Severity{Warning},
		"a line of sysctl.d sets the key so that the next replay, or boot, breaks an effective value; it is named with file and line",
		whole(`persist/net\.ipv4\.conf\.\S+\.(?:arp_ignore|arp_announce|rp_filter)`),
	}, {
		"persist/FILE.conf", []Severity{Warning},
		"our own file under /run/sysctl.d is not in step with what is enforced, or another file of sysctl.d could not be read or has a line that cannot be evaluated",
		whole(`persist/[^/]+\.conf`),
	}, {
		"contended/ID", []Severity{Warning},
		"somebody else undoes the repair of ID again and again",
		whole(`contended/(?:module|link|sysctl|addr|persist)/\S+`),
	}, {
		"service/VIP:PORT[PATH]", []Severity{Critical},
		"the service does not answer on the VIP",
		whole(`service/` + patternVIP + `:[0-9]+(?:/\S*)?`),
	}, {
		"probe/VIP", []Severity{Critical},
		"a packet sent through the tunnel was not answered",
		whole(`probe/` + patternVIP),
	}, {
		"probe", []Severity{Warning},
		"the probe could not tell, and readiness rests on what is observed",
		whole(`probe`),
	}, {
		"kernel", []Severity{Unknown},
		"there is no reading of the kernel's state",
		whole(`kernel`),
	}, {
		"config", []Severity{Unknown},
		"there is no config, or none that fits this host",
		whole(`config`),
	}}
}

package agent

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rsagent/sysctl"
)

// A Kind says what a finding is about. The table kinds has everything that
// depends on it, so that a further kind of finding is a row there.
type Kind int

// The kinds, in the order in which a report has them.
const (
	KindModule      Kind = iota + 1 // the kernel module of an encapsulation
	KindLink                        // the tunnel device exists, and is of the right kind
	KindLinkUp                      // it is up
	KindARP                         // arp_ignore and arp_announce
	KindRPFilter                    // rp_filter
	KindVIP                         // a VIP where it must be
	KindStray                       // a VIP elsewhere, or with another prefix length
	KindForeign                     // another address on the tunnel
	KindRoute                       // the kernel's verdict on packets for a VIP
	KindShadow                      // another tunnel device that gets the packets
	KindGateway                     // the next hop of the default route
	KindSource                      // the source address of this host's own traffic
	KindSenders                     // who may tunnel to this host
	KindPersistKey                  // what sysctl.d will set a key to
	KindPersistFile                 // a file of sysctl.d
	KindConflict                    // another process keeps reverting a repair
	KindService                     // a service on a VIP
	KindProbe                       // the probe of a VIP
	KindProbeResult                 // what the probes as a whole could tell
	KindKernel                      // the reading itself
	KindConfig                      // the config
)

// A Hop is a station on the way of a client's request and its answer.
type Hop int

// The hops, in the order in which a packet passes them.
const (
	HopClient Hop = iota
	HopDirector
	HopNIC
	HopTunnel
	HopVIP
	HopService
	HopReply
	Hops // how many there are
)

// reach says which VIPs a kind of finding affects.
type reach int

const (
	reachNone reach = iota // not on the path of a request
	reachVIP               // the VIP that the finding names
	reachAll               // every VIP
)

// A kind is a row of the table.
type kind struct {
	// form is how people write the ID. Words in capitals stand for what
	// differs, and [ ] encloses what may be absent. Kinds may share a form.
	form string
	// severities are those that such a finding may have besides OK, the
	// likeliest first.
	severities []Severity
	meaning    string // when it is not in order: half a sentence
	id         func(Subject) string
	pattern    string
	reach      reach
	// needed is true if readiness cannot be judged while the finding is
	// Unknown. What only warns when it is readable hides no broken path when
	// it is not.
	needed bool
	hop    Hop
	metric string     // the value of the label kind in metrics
	policy PolicyKind // which policy its repair is under
}

// Parts of patterns. A name of a device may have any character but the slash.
const (
	patternDevice = `[^/]+`
	patternVIP    = `[0-9]+(?:\.[0-9]+){3}`
	patternConf   = `net\.ipv4\.conf\.\S+\.`
)

func idOfDevice(prefix string) func(Subject) string {
	return func(s Subject) string { return prefix + "/" + s.Device }
}

func idOfVIP(prefix string) func(Subject) string {
	return func(s Subject) string { return prefix + "/" + s.VIP.String() }
}

func idOfKey(prefix string) func(Subject) string {
	return func(s Subject) string { return prefix + "/" + s.Key.String() }
}

func idOfAddr(s Subject) string {
	id := "addr/" + s.Device + "/" + s.VIP.String()
	if s.Bits > 0 {
		id += "/" + strconv.Itoa(s.Bits)
	}
	return id
}

func fixedID(id string) func(Subject) string { return func(Subject) string { return id } }

const (
	formAddr   = "addr/DEVICE/ADDRESS[/BITS]"
	formSysctl = "sysctl/KEY"
	idAddr     = `addr/` + patternDevice + `/` + patternVIP + `(?:/[0-9]+)?`
)

var kinds = [...]kind{
	KindModule: {
		form: "module/NAME", severities: []Severity{Critical}, reach: reachAll, needed: true, hop: HopTunnel, metric: "module", policy: PolicyTunnel,
		meaning: "the kernel module of the tunnel is not loaded",
		id:      func(s Subject) string { return "module/" + s.Name }, pattern: `module/[a-z0-9_]+`,
	},
	KindLink: {
		form: "link/DEVICE", severities: []Severity{Critical}, reach: reachAll, needed: true, hop: HopTunnel, metric: "link", policy: PolicyTunnel,
		meaning: "the tunnel device is missing, or a device of another kind has its name",
		id:      idOfDevice("link"), pattern: `link/` + patternDevice,
	},
	KindLinkUp: {
		form: "link/DEVICE/up", severities: []Severity{Critical}, reach: reachAll, needed: true, hop: HopTunnel, metric: "link", policy: PolicyTunnel,
		meaning: "the tunnel device is down",
		id:      func(s Subject) string { return "link/" + s.Device + "/up" }, pattern: `link/` + patternDevice + `/up`,
	},
	// An ARP answer for the VIP is critical and repaired first, but a
	// drain does not cure it, and the path through the tunnel works.
	KindARP: {
		form: formSysctl, severities: []Severity{Critical, Unknown}, reach: reachNone, needed: true, hop: HopNIC, metric: "sysctl", policy: PolicySysctl,
		meaning: "the key makes this host answer ARP for a VIP, or announce it; unknown if the key could not be read",
		id:      idOfKey("sysctl"), pattern: `sysctl/` + patternConf + `(?:arp_ignore|arp_announce)`,
	},
	KindRPFilter: {
		form: formSysctl, severities: []Severity{Critical, Warning, Unknown}, reach: reachAll, needed: true, hop: HopTunnel, metric: "sysctl", policy: PolicySysctl,
		meaning: "the key makes the effective rp_filter of the tunnel wrong; a warning where that drops no packet",
		id:      idOfKey("sysctl"), pattern: `sysctl/` + patternConf + `rp_filter`,
	},
	KindVIP: {
		form: formAddr, severities: []Severity{Critical, Warning}, reach: reachVIP, needed: true, hop: HopVIP, metric: "addr", policy: PolicyAddresses,
		meaning: "the VIP is not on the tunnel; a warning if it is there without our mark",
		id:      idOfAddr, pattern: idAddr,
	},
	KindStray: {
		form: formAddr, severities: []Severity{Critical, Warning}, reach: reachNone, needed: true, hop: HopNIC, metric: "addr", policy: PolicyAddresses,
		meaning: "the VIP is on another device, where it must not be; a warning for one on lo, or with another prefix length on the tunnel",
		id:      idOfAddr, pattern: idAddr,
	},
	KindForeign: {
		form: formAddr, severities: []Severity{Warning}, reach: reachNone, needed: true, hop: HopVIP, metric: "addr", policy: PolicyAddresses,
		meaning: "an address on the tunnel is not in the config",
		id:      idOfAddr, pattern: idAddr,
	},
	KindRoute: {
		form: "route/VIP", severities: []Severity{Critical, Warning}, reach: reachVIP, needed: true, hop: HopVIP, metric: "route",
		meaning: "the kernel would not take a packet for the VIP that comes out of the tunnel; a warning if it rejects only distant clients",
		id:      idOfVIP("route"), pattern: `route/` + patternVIP,
	},
	KindShadow: {
		form: "shadow/DEVICE", severities: []Severity{Critical, Warning}, reach: reachAll, needed: true, hop: HopTunnel, metric: "shadow",
		meaning: "another tunnel device gets the director's packets; a warning if it might",
		id:      idOfDevice("shadow"), pattern: `shadow/` + patternDevice,
	},
	KindGateway: {
		form: "gateway", severities: []Severity{Warning}, reach: reachNone, hop: HopReply, metric: "gateway",
		meaning: "the default gateway is a director or a VIP",
		id:      fixedID("gateway"), pattern: `gateway`,
	},
	KindSource: {
		form: "source/VIP", severities: []Severity{Warning}, reach: reachNone, hop: HopReply, metric: "source",
		meaning: "this host's own connections leave with the VIP as source",
		id:      idOfVIP("source"), pattern: `source/` + patternVIP,
	},
	KindSenders: {
		form: "senders", severities: []Severity{Warning}, reach: reachNone, hop: HopDirector, metric: "senders",
		meaning: "the config names no directors, so anyone may tunnel to this host",
		id:      fixedID("senders"), pattern: `senders`,
	},
	KindPersistKey: {
		form: "persist/KEY", severities: []Severity{Warning}, reach: reachNone, hop: HopTunnel, metric: "persist", policy: PolicyPersist,
		meaning: "a line of sysctl.d sets the key so that the next replay, or boot, breaks an effective value; it is named with file and line",
		id:      idOfKey("persist"), pattern: `persist/` + patternConf + `(?:arp_ignore|arp_announce|rp_filter)`,
	},
	KindPersistFile: {
		form: "persist/FILE.conf", severities: []Severity{Warning}, reach: reachNone, hop: HopTunnel, metric: "persist", policy: PolicyPersist,
		meaning: "our own file under /run/sysctl.d differs from what is enforced, or another file of sysctl.d could not be read or has a line that cannot be evaluated",
		id:      func(s Subject) string { return "persist/" + s.Name }, pattern: `persist/[^/]+\.conf`,
	},
	KindConflict: {
		form: "contended/ID", severities: []Severity{Warning}, reach: reachNone, hop: HopTunnel, metric: "contended",
		meaning: "another process keeps reverting the repair of ID",
		pattern: `contended/(?:module|link|sysctl|addr|persist)/\S+`,
	},
	KindService: {
		form: "service/VIP:PORT[PATH]", severities: []Severity{Critical}, reach: reachVIP, hop: HopService, metric: "service",
		meaning: "the service does not answer on the VIP",
		id:      func(s Subject) string { return "service/" + netip.AddrPortFrom(s.VIP, s.Port).String() + s.Name },
		pattern: `service/` + patternVIP + `:[0-9]+(?:/\S*)?`,
	},
	KindProbe: {
		form: "probe/VIP", severities: []Severity{Critical}, reach: reachVIP, hop: HopTunnel, metric: "probe",
		meaning: "a packet sent through the tunnel was not answered",
		id:      idOfVIP("probe"), pattern: `probe/` + patternVIP,
	},
	KindProbeResult: {
		form: "probe", severities: []Severity{Warning}, reach: reachNone, hop: HopVIP, metric: "probe",
		meaning: "the probe is inconclusive, and readiness rests on the settings",
		id:      fixedID("probe"), pattern: `probe`,
	},
	KindKernel: {
		form: "kernel", severities: []Severity{Unknown}, reach: reachAll, needed: true, hop: HopTunnel, metric: "kernel",
		meaning: "there is no reading of the kernel's state",
		id:      fixedID("kernel"), pattern: `kernel`,
	},
	KindConfig: {
		form: "config", severities: []Severity{Unknown}, reach: reachAll, hop: HopTunnel, metric: "config",
		meaning: "there is no config, or none that fits this host",
		id:      fixedID("config"), pattern: `config`,
	},
}

// Metric returns the value of the label kind that metrics have for findings of
// this kind, and for their repairs.
func (k Kind) Metric() string { return kinds[k].metric }

// Policy returns which policy the repairs of findings of this kind are under,
// "" if there are none.
func (k Kind) Policy() PolicyKind { return kinds[k].policy }

// Kinds returns all kinds, in the order in which a report has them.
func Kinds() []Kind {
	out := make([]Kind, 0, len(kinds))
	for k := KindModule; k <= KindConfig; k++ {
		out = append(out, k)
	}
	return out
}

// An IDForm describes the findings whose IDs have one form. IDs are part of
// the interface: monitoring and scripts match them, so a form stays what it is.
type IDForm struct {
	Form       string     // how people write it, see kind.form
	Severities []Severity // besides OK, the likeliest first
	Meaning    string     // when it is not in order
	patterns   []*regexp.Regexp
}

// Match reports whether id has the form.
func (f IDForm) Match(id string) bool {
	return slices.ContainsFunc(f.patterns, func(p *regexp.Regexp) bool { return p.MatchString(id) })
}

// IDForms returns all forms, those of the health endpoint included. Every ID
// matches exactly one.
func IDForms() []IDForm {
	var out []IDForm
	for _, k := range Kinds() {
		row := kinds[k]
		pattern := regexp.MustCompile(`^(?:` + row.pattern + `)$`)
		i := slices.IndexFunc(out, func(f IDForm) bool { return f.Form == row.form })
		if i < 0 {
			out = append(out, IDForm{row.form, row.severities, row.meaning, []*regexp.Regexp{pattern}})
			continue
		}
		f := &out[i]
		f.patterns = append(f.patterns, pattern)
		f.Meaning += "; or " + row.meaning
		for _, s := range row.severities {
			if !slices.Contains(f.Severities, s) {
				f.Severities = append(slices.Clone(f.Severities), s)
			}
		}
	}
	return out
}

// kindOfKey returns the kind of findings about a setting.
func kindOfKey(key sysctl.Key) Kind {
	if strings.HasPrefix(key.Name, "arp_") {
		return KindARP
	}
	return KindRPFilter
}

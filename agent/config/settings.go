package config

import (
	"strconv"
	"strings"
	"time"

	"rsagent/agent"

	yaml "go.yaml.in/yaml/v4"
)

// A setting is a key with one value. The order of the table is that of the
// reference; keys of one section stand together.
type setting struct {
	name  string // with its section: probe.interval
	want  string // the allowed values, as said in problems and in the reference
	about string // what it does, for the reference
	// read stores a value, or returns what is wrong with it.
	read func(*Config, value) string
	// list reads a key that has a list, in place of read.
	list func(p *parser, n *yaml.Node, s setting, c *Config)
	// show returns the value as it is written in a file.
	show func(Config) string
}

var settings = []setting{
	{
		name:  "tunnel.device",
		want:  "1 to 12 visible ASCII characters without / : %, and not all, default or lo",
		about: "The tunnel device. The limit lets the label that marks our addresses, DEVICE:rs, fit.",
		read:  func(c *Config, v value) (wrong string) { c.Desired.Device, wrong = v.device(); return },
		show:  func(c Config) string { return written(c.Desired.Device) },
	}, {
		name: "rp_filter",
		want: "0, or 2 where hardening rules forbid 0",
		about: "The effective reverse path filter of the tunnel. 1 would drop every packet from it, since\n" +
			"the way back to the client is not through the tunnel.",
		read: readRPFilter,
		show: func(c Config) string { return strconv.Itoa(c.Desired.RPFilter) },
	}, {
		name:  "mode",
		want:  "enforce or observe",
		about: "Whether to repair what differs, or only to report it.",
		read:  func(c *Config, v value) string { return v.either(&c.Desired.ObserveOnly, "enforce", "observe") },
		show:  func(c Config) string { return pick(c.Desired.ObserveOnly, "enforce", "observe") },
	}, {
		name:  "stray_vips",
		want:  "report or remove",
		about: "What to do about a VIP found on another device, where it would be answered for over ARP.",
		read:  func(c *Config, v value) string { return v.either(&c.Desired.RemoveStrays, "report", "remove") },
		show:  func(c Config) string { return pick(c.Desired.RemoveStrays, "report", "remove") },
	},
	policy(agent.PolicyTunnel, "With mode: enforce, whether to repair the module and the device, or only to report them.",
		func(p *agent.Policy) *bool { return &p.ReportTunnel }),
	policy(agent.PolicySysctl, "The same for settings. While an ARP setting is wrong and only reported, no VIP is added: it\n"+
		"would be taken from the director.", func(p *agent.Policy) *bool { return &p.ReportSysctl }),
	policy(agent.PolicyAddresses, "The same for addresses.", func(p *agent.Policy) *bool { return &p.ReportAddresses }),
	policy(agent.PolicyPersist, "The same for the file under /run/sysctl.d, which persist is about.",
		func(p *agent.Policy) *bool { return &p.ReportPersist }),
	{
		name:  "mss",
		want:  "off",
		about: "Whether to limit the TCP segments of connections to the VIPs, which this version does not.",
		read:  readMSS,
		show:  func(Config) string { return "off" },
	}, {
		name:  "interval",
		want:  "a duration from 100ms to 1h, such as 1s",
		about: "How often to look at what the kernel does not announce.",
		read: func(c *Config, v value) (wrong string) {
			c.Interval, wrong = v.duration(100*time.Millisecond, time.Hour)
			return
		},
		show: func(c Config) string { return short(c.Interval) },
	}, {
		name: "watch_config",
		want: "true or false",
		about: "Whether a config file that has changed is read again by itself, within two seconds. Without, it\n" +
			"takes systemctl reload, or SIGHUP. This key itself changes only with a restart.",
		read: func(c *Config, v value) string { return v.boolean(&c.WatchConfig) },
		show: func(c Config) string { return strconv.FormatBool(c.WatchConfig) },
	}, {
		name: "allow_empty",
		want: "true or false",
		about: "Whether vips may be empty, which takes this real server out of service for good. Without, an\n" +
			"empty list is an error, since it is one as a rule.",
		read: func(c *Config, v value) string { return v.boolean(&c.AllowEmpty) },
		show: func(c Config) string { return strconv.FormatBool(c.AllowEmpty) },
	}, {
		name:  "probe.interval",
		want:  "0 for off, or a duration from 1s to 1h, such as 5s",
		about: "How often to prove the data path with a real encapsulated packet.",
		read:  readProbe,
		show:  func(c Config) string { return short(c.Probe.Interval) },
	}, {
		name:  "persist",
		want:  "true or false",
		about: "Whether to keep /run/sysctl.d in step, so that a replay of sysctl.d does not undo us.",
		read:  func(c *Config, v value) string { return v.boolean(&c.Desired.Persist) },
		show:  func(c Config) string { return strconv.FormatBool(c.Desired.Persist) },
	}, {
		name:  "health.listen",
		want:  `off, ":PORT" or "ADDRESS:PORT"`,
		about: "Where directors ask over HTTP whether this real server is ready.",
		read:  func(c *Config, v value) (wrong string) { c.Health.Listen, wrong = v.listen(); return },
		show:  func(c Config) string { return showListen(c.Health.Listen) },
	}, {
		name:  "health.agent_check",
		want:  `off, ":PORT" or "ADDRESS:PORT"`,
		about: "Where HAProxy's agent-check is answered; it needs a port of its own.",
		read:  func(c *Config, v value) (wrong string) { c.Health.AgentCheck, wrong = v.listen(); return },
		show:  func(c Config) string { return showListen(c.Health.AgentCheck) },
	}, {
		name:  "health.rise",
		want:  "a number from 1 to 100",
		about: "How many good evaluations in a row it takes to become ready.",
		read:  func(c *Config, v value) (wrong string) { c.Health.Rise, wrong = v.number(1, 100); return },
		show:  func(c Config) string { return strconv.Itoa(c.Health.Rise) },
	}, {
		name:  "health.fall",
		want:  "a number from 1 to 100",
		about: "How many bad evaluations in a row it takes to be no longer ready.",
		read:  func(c *Config, v value) (wrong string) { c.Health.Fall, wrong = v.number(1, 100); return },
		show:  func(c Config) string { return strconv.Itoa(c.Health.Fall) },
	}, {
		name:  "hook.command",
		want:  "a list of at most 16 texts, the first of them an absolute path, or [] for none",
		about: hookAbout,
		list:  (*parser).readCommand,
		show:  func(c Config) string { return flow(c.Hook.Command) },
	}, {
		name:  "hook.timeout",
		want:  "a duration from 100ms to 1m, such as 5s",
		about: "How long it may take before it is killed, with everything that it has started.",
		read: func(c *Config, v value) (wrong string) {
			c.Hook.Timeout, wrong = v.duration(100*time.Millisecond, time.Minute)
			return
		},
		show: func(c Config) string { return short(c.Hook.Timeout) },
	}, {
		name:  "log.level",
		want:  "debug, info, warning or error",
		about: "How much to log.",
		read:  func(c *Config, v value) string { return v.word(&c.Log.Level, "debug", "info", "warning", "error") },
		show:  func(c Config) string { return c.Log.Level },
	}, {
		name:  "log.format",
		want:  "text or json",
		about: "What a line of the log looks like.",
		read:  func(c *Config, v value) string { return v.word(&c.Log.Format, "text", "json") },
		show:  func(c Config) string { return c.Log.Format },
	},
}

// policy is the setting for one kind of repair.
func policy(kind agent.PolicyKind, about string, reported func(*agent.Policy) *bool) setting {
	return setting{
		name:  "policy." + string(kind),
		want:  "enforce or report",
		about: about,
		read:  func(c *Config, v value) string { return v.either(reported(&c.Desired.Policy), "enforce", "report") },
		show:  func(c Config) string { return pick(*reported(&c.Desired.Policy), "enforce", "report") },
	}
}

func readRPFilter(c *Config, v value) string {
	n, wrong := v.number(0, 2)
	if n == 1 {
		return "drops every packet from the tunnel"
	}
	c.Desired.RPFilter = n
	return wrong
}

// readMSS takes off as a word, and as the boolean that YAML 1.1 takes it for.
func readMSS(_ *Config, v value) string {
	if v.tag == "!!bool" && strings.EqualFold(v.text, "false") {
		return ""
	}
	return v.word(new(string), "off")
}

func readProbe(c *Config, v value) (wrong string) {
	if d, err := time.ParseDuration(v.text); err == nil && d == 0 {
		c.Probe.Interval = 0
		return ""
	}
	c.Probe.Interval, wrong = v.duration(time.Second, time.Hour)
	return wrong
}

func showListen(address string) string {
	if address == "" {
		return "off"
	}
	return strconv.Quote(address)
}

func pick(second bool, a, b string) string {
	if second {
		return b
	}
	return a
}

// short is d.String() without trailing zero units: 1m, not 1m0s.
func short(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

package agenttest

import (
	"maps"
	"syscall"

	"rsagent/agent"
	"rsagent/sysctl"
)

const forwarding = "forwarding"

// settings are the names under net.ipv4.conf that are modelled.
func settings() []string {
	return []string{sysctl.ARPIgnore, sysctl.ARPAnnounce, sysctl.RPFilter, forwarding}
}

// A conf is one folder under net.ipv4.conf. A setting that was written on a
// device itself no longer follows default, even if the write changed nothing.
type conf struct {
	value   map[string]int
	written map[string]bool
}

func newConf() conf {
	c := conf{value: map[string]int{}, written: map[string]bool{}}
	for _, name := range settings() {
		c.value[name] = 0
	}
	return c
}

func (c conf) clone() conf {
	return conf{value: maps.Clone(c.value), written: maps.Clone(c.written)}
}

// pin makes a device follow default no longer, in nothing: the kernel does it
// to every device that is given an address (ipv4_devconf_setall in
// net/ipv4/devinet.c).
func (c conf) pin() {
	for _, name := range settings() {
		c.written[name] = true
	}
}

func (h *host) conf(scope string) (conf, bool) {
	switch scope {
	case sysctl.All:
		return h.all, true
	case sysctl.Default:
		return h.initial, true
	}
	d, err := h.device(scope)
	if err != nil {
		return conf{}, false
	}
	return d.conf, true
}

// write follows devinet_conf_proc in net/ipv4/devinet.c. The kernel announces
// only rp_filter and forwarding, and these only when the value changes.
func (h *host) write(key sysctl.Key, value int) error {
	c, ok := h.conf(key.Scope)
	if !ok {
		return syscall.ENOENT
	}
	old, ok := c.value[key.Name]
	if !ok {
		return syscall.ENOENT
	}
	c.value[key.Name] = value
	if key.Name == forwarding {
		if old != value {
			h.forward(key.Scope, value)
			h.hint(agent.Hint{Keys: []sysctl.Key{key}})
		}
		return nil
	}
	c.written[key.Name] = true
	if key.Scope == sysctl.Default {
		for _, d := range h.devices {
			if !d.conf.written[key.Name] {
				d.conf.value[key.Name] = value
			}
		}
	}
	if key.Name == sysctl.RPFilter && old != value {
		h.hint(agent.Hint{Keys: []sysctl.Key{key}})
	}
	return nil
}

// forward follows inet_forward_change: that of all is written through to
// default and to every device, that of default to nothing.
func (h *host) forward(scope string, value int) {
	if scope != sysctl.All {
		return
	}
	h.initial.value[forwarding] = value
	for _, d := range h.devices {
		d.conf.value[forwarding] = value
	}
}

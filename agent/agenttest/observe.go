package agenttest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"rsagent/agent"
	"rsagent/sysctl"
)

// observe makes a reading in the form that agent.Kernel promises. Nothing of
// it is shared with the model.
func (h *host) observe(want agent.Desired, hidden map[sysctl.Key]string) agent.Observed {
	got := agent.Observed{
		Sysctls:  map[sysctl.Key]int{},
		Gateways: slices.Clone(h.routes),
		Source:   h.source(),
	}
	for _, d := range h.devices {
		got.Links = append(got.Links, d.Link)
		for _, a := range d.addrs {
			got.Addrs = append(got.Addrs, agent.Addr{Index: d.Index, Prefix: a.prefix, Label: a.label})
		}
		h.read(&got, d.Name, d.conf, hidden)
	}
	h.read(&got, sysctl.All, h.all, hidden)
	h.read(&got, sysctl.Default, h.initial, hidden)
	h.readReplays(want, &got)
	tunnel, found := got.Tunnel()
	got.Module.Loaded = h.loaded
	if !found {
		if !h.loaded {
			got.Module.Obstacle = h.ban
		}
		return got
	}
	got.Verdicts = map[netip.Addr]agent.Verdict{}
	for _, vip := range want.VIPs {
		if slices.Contains(got.Addrs, vipOn(got.Addrs, tunnel.Index, vip)) {
			got.Verdicts[vip] = h.verdict(tunnel.Name)
		}
	}
	return got
}

// vipOn returns vip's entry on the device, whatever its label.
func vipOn(addrs []agent.Addr, index int, vip netip.Addr) agent.Addr {
	i := slices.IndexFunc(addrs, func(a agent.Addr) bool {
		return a.Index == index && a.Prefix == netip.PrefixFrom(vip, vip.BitLen())
	})
	if i < 0 {
		return agent.Addr{}
	}
	return addrs[i]
}

func (h *host) read(got *agent.Observed, scope string, c conf, hidden map[sysctl.Key]string) {
	for name, value := range c.value {
		key := sysctl.Key{Scope: scope, Name: name}
		if why, ok := hidden[key]; !ok {
			got.Sysctls[key] = value
		} else if scope == sysctl.All && name != forwarding {
			got.Gaps = append(got.Gaps, agent.Gap{Subject: agent.SubjectOf(key), Err: fmt.Sprintf("sysctl %s: %s", key, why)})
		}
	}
	slices.SortFunc(got.Gaps, func(a, b agent.Gap) int { return strings.Compare(a.ID(), b.ID()) })
}

// verdict follows __fib_validate_source for a client from afar and a VIP that
// is an address of the tunnel: 0 lets everybody in; 1 asks for a way back
// through the tunnel, which nobody has; anything else asks for any way back.
func (h *host) verdict(tunnel string) agent.Verdict {
	c, _ := h.conf(tunnel)
	filter := sysctl.Effective(h.all.value[sysctl.RPFilter], c.value[sysctl.RPFilter])
	switch {
	case filter <= 0, filter != 1 && len(h.routes) > 0:
		return agent.Verdict{Local: true}
	case filter != 1 && h.onLink(tunnel):
		return agent.Verdict{Local: true, OnLinkOnly: true}
	}
	return agent.Verdict{Text: "rejected (invalid cross-device link)"}
}

// onLink reports whether a network is directly connected.
func (h *host) onLink(tunnel string) bool {
	return slices.ContainsFunc(h.devices, func(d *device) bool {
		return d.Up && d.Name != tunnel && slices.ContainsFunc(d.addrs, func(a address) bool {
			return a.prefix.Bits() <= 30 && !a.prefix.Addr().IsLoopback()
		})
	})
}

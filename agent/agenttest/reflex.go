package agenttest

import (
	"net/netip"
	"slices"

	"rsagent/agent"
)

// Quick makes the fake repair at once what it may, see Stand.
func (f *Fake) Quick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.quick = true
}

// Stand permits a repair, which is made if the fake is Quick.
func (f *Fake) Stand(s *agent.Standing, edition int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.standing = nil
	if f.quick && edition == f.edition {
		f.standing = s
	}
}

// reflex repairs what the hint is about, if that is permitted.
func (f *Fake) reflex(h *agent.Hint) {
	s := f.standing
	f.standing = nil
	f.edition++
	if s == nil || len(h.Addrs)+len(h.Keys) != 1 || len(h.Links) > 0 {
		return
	}
	for _, a := range h.Addrs {
		tunnel, _ := f.host.observe(agent.Desired{}, nil).Tunnel()
		gone := agent.Addr{Index: tunnel.Index, Prefix: netip.PrefixFrom(a, 32), Label: agent.Label(tunnel.Name)}
		if fix, ok := s.Gone(gone); ok && !f.host.has(tunnel.Name, gone.Prefix) {
			f.mend(h, agent.Reflex{Fix: fix})
		}
	}
	for _, key := range h.Keys {
		value := f.host.observe(agent.Desired{}, nil).Sysctls[key]
		if fix, ok := s.Written(key, value); ok {
			f.mend(h, agent.Reflex{Fix: fix, Got: value})
		}
	}
}

func (f *Fake) mend(h *agent.Hint, r agent.Reflex) {
	f.applied = append(f.applied, r.Fix)
	if f.act(r.Fix) == nil {
		h.Mended = append(h.Mended, r)
	}
}

func (h *host) has(device string, prefix netip.Prefix) bool {
	d, err := h.device(device)
	return err == nil && slices.ContainsFunc(d.addrs, func(a address) bool { return a.prefix == prefix })
}

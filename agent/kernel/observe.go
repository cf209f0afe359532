package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"rsagent/agent"
	"rsagent/sysctl"
)

// Observe reads links with their settings, addresses, the settings of all and
// default, and the kernel's verdict for each wanted VIP that is on the tunnel.
// It looks by dumps only and so never makes the kernel load a module. It needs
// no privilege.
func (k *Kernel) Observe(ctx context.Context, want agent.Desired) (agent.Observed, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var got agent.Observed
	if err := ctx.Err(); err != nil {
		return got, err
	}
	links, err := k.links()
	if err != nil {
		return got, err
	}
	got.Sysctls = map[sysctl.Key]int{}
	for _, l := range links {
		got.Links = append(got.Links, l.Link)
		for name, v := range l.conf {
			got.Sysctls[sysctl.Key{Scope: l.Name, Name: name}] = v
		}
	}
	k.shared(&got)
	if got.Addrs, err = k.addrs(); err != nil {
		return got, err
	}
	if got.Gateways, got.Source, err = k.wayOut(got.Links, got.Addrs); err != nil {
		got.Gaps = append(got.Gaps, agent.Gap{ID: "gateway", Err: "route look-up: " + err.Error()})
	}
	tunnel, found := got.Tunnel()
	got.Module.Loaded = found || moduleLoaded()
	if !found {
		if !got.Module.Loaded {
			got.Module.Obstacle = obstacle()
		}
		return got, nil
	}
	got.Verdicts, err = k.verdicts(inPlace(want.VIPs, tunnel.Index, got.Addrs), tunnel.Index, got.Addrs)
	return got, err
}

// shared reads the settings of all and default, which are no devices and in no
// dump.
func (k *Kernel) shared(got *agent.Observed) {
	for _, scope := range []string{sysctl.All, sysctl.Default} {
		for _, name := range append(slices.Clone(sysctl.Names), forwarding) {
			key := sysctl.Key{Scope: scope, Name: name}
			v, err := k.tree.Read(key)
			if err == nil {
				got.Sysctls[key] = v
				continue
			}
			if scope == sysctl.All && name != forwarding {
				got.Gaps = append(got.Gaps, agent.Gap{ID: "sysctl/" + key.String(), Err: readable(err)})
			}
		}
	}
}

func readable(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("%v (is /proc/sys mounted?)", err)
	}
	return err.Error()
}

func inPlace(vips []netip.Addr, tunnel int, addrs []agent.Addr) []netip.Addr {
	on := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		if a.Index == tunnel && a.Prefix.Bits() == 32 {
			on[a.Prefix.Addr()] = true
		}
	}
	var out []netip.Addr
	for _, vip := range vips {
		if on[vip] {
			out = append(out, vip)
		}
	}
	return out
}

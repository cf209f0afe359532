package linux

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"rsagent/agent"
	"rsagent/sysctl"
)

// Observe reads links with their settings, addresses, the settings of all and
// default, and the kernel's verdict for each wanted VIP that is on the tunnel.
// It looks by dumps only and so never makes the kernel load a module. It needs
// no privilege. A focused reading takes from earlier ones, and what was
// announced since, what these tell, see mirror and ground.
func (k *Host) Observe(ctx context.Context, want agent.Desired) (agent.Observed, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var got agent.Observed
	if err := ctx.Err(); err != nil {
		return got, err
	}
	k.catchUp()
	got.Edition = k.reflexes.edition()
	if !want.Focused || k.news == nil || !k.onGround(&got) {
		if err := k.observeLinks(&got, want.Focused); err != nil {
			return got, err
		}
	}
	tunnel, found := got.Tunnel()
	if want.Focused && found {
		mirrored := false
		if got.Addrs, got.Source, mirrored = k.mirror.addrs(want.VIPs, tunnel.Index); mirrored {
			got.Module.Loaded = true
			return got, k.judge(&got, want, tunnel)
		}
	}
	k.replay.observe(want, &got)
	if !want.Focused {
		k.mirror.want(want.VIPs)
	}
	k.mirror.begin()
	var err error
	if got.Addrs, err = k.addrs(); err != nil {
		k.mirror.drop()
		return got, err
	}
	if got.Gateways, got.Source, err = k.wayOut(got.Links, got.Addrs); err != nil {
		got.Gaps = append(got.Gaps, agent.Gap{Subject: agent.Subject{Kind: agent.KindGateway}, Err: "route look-up: " + err.Error()})
	}
	k.remember(got)
	if want.Focused {
		got = got.Focus(want)
	}
	got.Module.Loaded = found || moduleLoaded()
	if !found {
		if !got.Module.Loaded {
			got.Module.Obstacle = obstacle()
		}
		return got, nil
	}
	return got, k.judge(&got, want, tunnel)
}

// onGround fills in what is remembered of devices and settings, if anything
// is. Settings that may have been written since are read.
func (k *Host) onGround(got *agent.Observed) bool {
	for _, key := range k.ground.suspects() {
		v, err := k.settings.read(key)
		switch {
		case err == nil:
			k.ground.set(key, v)
		case k.ground.knows(key): // its device is gone
			k.ground.drop()
			return false
		}
	}
	return k.ground.take(got, time.Now())
}

// catchUp makes the mirror follow what was announced before this moment.
func (k *Host) catchUp() {
	if k.news != nil && k.news.catchUp() != nil {
		k.mirror.drop() // its reader will notice, and subscribe anew
		k.ground.drop()
	}
}

// remember makes the mirror follow from this reading on.
func (k *Host) remember(got agent.Observed) {
	if k.news == nil {
		k.mirror.drop()
		return
	}
	k.mirror.fill(got)
	k.catchUp()
}

func (k *Host) observeLinks(got *agent.Observed, focused bool) error {
	version, now := k.ground.begin(), time.Now()
	links, err := k.links()
	if err != nil {
		return err
	}
	k.mirror.name(links)
	got.Sysctls = map[sysctl.Key]int{}
	for _, l := range links {
		got.Links = append(got.Links, l.Link)
		for name, v := range l.conf {
			got.Sysctls[sysctl.Key{Scope: l.Name, Name: name}] = v
		}
	}
	scopes := []string{sysctl.All, sysctl.Default}
	if focused {
		scopes = scopes[:1] // nothing is judged by default
	}
	k.shared(got, scopes)
	k.ground.keep(version, *got, now)
	return nil
}

func (k *Host) judge(got *agent.Observed, want agent.Desired, tunnel agent.Link) (err error) {
	got.Verdicts, err = k.verdicts(inPlace(want.VIPs, tunnel.Index, got.Addrs), tunnel.Index, got.Addrs)
	return err
}

// shared reads the settings of all and default, which are no devices and in no
// dump.
func (k *Host) shared(got *agent.Observed, scopes []string) {
	for _, scope := range scopes {
		for _, name := range append(slices.Clone(sysctl.Names), forwarding) {
			key := sysctl.Key{Scope: scope, Name: name}
			v, err := k.settings.read(key)
			if err == nil {
				got.Sysctls[key] = v
				continue
			}
			if scope == sysctl.All && name != forwarding {
				got.Gaps = append(got.Gaps, agent.Gap{Subject: agent.SubjectOf(key), Err: readable(err)})
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

package agent

import (
	"context"
	"maps"
	"net/netip"
	"slices"

	"rsagent/sysctl"
)

// Teardown returns the actions that undo what was done, in the safe order:
// every address that carries our label first, then the settings as they were
// found and what keeps them through a replay, then the device down if it was down, then the module if it was not
// there. It names only what is not yet so: after it has been carried out it
// is empty. What the baseline does not know is left alone.
//
// The module is unloaded only where no other device here needs it and alone is
// true: the caller knows that no other network namespace could be using it.
func Teardown(base Baseline, device string, got Observed, alone bool) []Action {
	tunnel, found := got.Tunnel()
	if found {
		device = tunnel.Name
	}
	var plan []Action
	plan = append(plan, removals(device, got)...)
	plan = append(plan, reinstated(base, device, got)...)
	if got.Persisted.Known && got.Persisted.Content != "" {
		plan = append(plan, Unpersist{}) // or a replay would bring the settings back
	}
	plan = append(plan, restored(base, got)...)
	if base.Link == nil || !found {
		return plan
	}
	if !base.Link.Up && tunnel.Up {
		plan = append(plan, LinkDown{device})
	}
	switch {
	case guests(base, device, got):
	case base.Link.Created:
		plan = append(plan, DeleteTunnel{device})
	case !base.Link.Existed && alone && got.Module.Loaded && !neighbours(got):
		plan = append(plan, UnloadModule{})
	}
	return plan
}

// neighbours reports whether other devices need the module.
func neighbours(got Observed) bool {
	return slices.ContainsFunc(got.Links, func(l Link) bool { return l.Kind == "ipip" && !l.Fallback() })
}

// guests reports whether somebody else's addresses are on the tunnel.
func guests(base Baseline, device string, got Observed) bool {
	return slices.ContainsFunc(got.Addrs, func(a Addr) bool {
		return got.linkByIndex(a.Index).Name == device && a.Label != Label(device) && !base.had(a.Prefix)
	})
}

// Settled reports whether a teardown has nothing more to do, now or after a
// human has helped, so that the baseline can be forgotten.
func Settled(base Baseline, got Observed, alone bool) bool {
	return len(Teardown(base, base.Device, got, alone)) == 0 && !nameless(base, got)
}

// Undo carries out a Teardown, looking again until nothing is left that it
// could do, and returns what was tried and what the host looks like then. It
// is idempotent, and may be cut short at any point. The error means that there
// was no reading.
func Undo(ctx context.Context, k Kernel, base Baseline, alone bool) ([]Step, Observed, error) {
	var steps []Step
	for range rounds {
		got, err := k.Observe(ctx, Desired{}.Normal())
		if err != nil {
			return steps, got, err
		}
		plan := Teardown(base, base.Device, got, alone)
		if len(plan) == 0 || ctx.Err() != nil {
			return steps, got, nil
		}
		tried := Execute(ctx, k, repairs(plan))
		steps = append(steps, tried...)
		if !progress(tried) {
			return steps, got, nil
		}
	}
	got, err := k.Observe(ctx, Desired{}.Normal())
	return steps, got, err
}

// repairs of a teardown are about nothing but themselves.
func repairs(plan []Action) []Repair {
	out := make([]Repair, len(plan))
	for i, a := range plan {
		out[i].Action = a
	}
	return out
}

func removals(device string, got Observed) []Action {
	var out []Action
	for _, a := range got.Addrs {
		if a.Label == Label(device) && got.linkByIndex(a.Index).Name == device {
			out = append(out, DelAddr{device, a.Prefix, a.Peer})
		}
	}
	return out
}

// reinstated puts back the VIPs that were there before us. They follow their
// removal directly, so that the path is interrupted for no longer than it was
// when we took them over.
func reinstated(base Baseline, device string, got Observed) []Action {
	var out []Action
	for _, f := range base.Addrs {
		prefix, err := netip.ParsePrefix(f.Prefix)
		if err != nil {
			continue
		}
		there := slices.ContainsFunc(got.Addrs, func(a Addr) bool {
			return a.Prefix == prefix && a.Label == f.Label && got.linkByIndex(a.Index).Name == device
		})
		if !there {
			brd, _ := netip.ParseAddr(f.Broadcast) // not valid where there was none
			out = append(out, AddAddr{Device: device, Prefix: prefix, Label: f.Label, Broadcast: brd, Scope: f.Scope})
		}
	}
	return out
}

func restored(base Baseline, got Observed) []Action {
	values := map[sysctl.Key]int{}
	for key, value := range base.Sysctls {
		if now, there := base.today(got, key); there {
			values[now] = value
		} else if _, there := got.Sysctls[key]; there && key.Scope == base.Device {
			values[key] = value // a tunnel made anew, to be as the one before it
		}
	}
	// rp_filter back first, ARP last: the reverse of the way in.
	keys := slices.SortedFunc(maps.Keys(values), func(a, b sysctl.Key) int { return -sysctl.Compare(a, b) })
	var out []Action
	for _, key := range keys {
		if key.Name != sysctl.RPFilter && nameless(base, got) {
			continue
		}
		if now, ok := got.Sysctls[key]; ok && now != values[key] {
			out = append(out, RestoreSysctl{key, values[key]})
		}
	}
	return out
}

// nameless reports whether the tunnel may hold a VIP of ours that no longer
// shows it: when a device is renamed the kernel gives its first address the
// new name for a label (inetdev_changename in net/ipv4/devinet.c). It is not
// removed, since it may be somebody else's, and ARP is not relaxed either.
func nameless(base Baseline, got Observed) bool {
	tunnel, _ := got.Tunnel()
	renamed := false
	for key, index := range base.Adopted {
		renamed = renamed || key.Scope != sysctl.All && index == tunnel.Index && key.Scope != tunnel.Name
	}
	if !renamed {
		return false
	}
	return slices.ContainsFunc(got.Addrs, func(a Addr) bool {
		return a.Index == tunnel.Index && a.Label == tunnel.Name && a.Prefix.Bits() == 32 && !a.Prefix.Addr().IsLoopback() &&
			!base.had(a.Prefix)
	})
}

// Remains says, for the person who tears down, what is left in place and why.
// got is the reading after the teardown.
func Remains(base Baseline, got Observed, undone bool) []string {
	var out []string
	if base.Lost {
		out = append(out, "An earlier record of the values found before the first change was damaged, so the values now restored may be our own: compare them with those of another host.")
	}
	if base.Empty() && undone {
		out = append(out, "There is no record of the values found before the first change, so settings and device were left as they are.")
	}
	if nameless(base, got) {
		out = append(out, "The tunnel was renamed, and its first address has lost its label: it stays, and so do the ARP settings. Remove it by hand if it was a VIP, and tear down again.")
	}
	if base.Link != nil && !base.Link.Existed && !base.Link.Created && got.Module.Loaded {
		out = append(out, "The module ipip stays loaded: another device, address or network namespace of this machine may need it.")
	}
	return out
}

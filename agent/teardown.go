package agent

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"rsagent/sysctl"
)

// Teardown returns the actions that undo what was done, in the safe order:
// every address that is ours first, then the settings as they were found and
// what keeps them through a replay, then the device down if it was down, then
// the module if it was not there. It names only what is not yet so: after it has been carried out it
// is empty. What the baseline does not know is left alone.
//
// While an address is on the tunnel that was not there before us, no ARP
// setting is restored if it may be a VIP, and the device stays as it is.
//
// The module is unloaded only where no other device here needs it and alone is
// true: the caller knows that no other network namespace could be using it.
func Teardown(base Baseline, device string, got Observed, alone bool) []Action {
	tunnel, found := got.Tunnel()
	if found {
		device = tunnel.Name
	}
	plan := slices.Concat(removals(device, got), restoreAddrs(base, device, got))
	if got.Persisted.Known && got.Persisted.Content != "" {
		plan = append(plan, Unpersist{}) // or a replay would bring the settings back
	}
	settings, _ := restored(base, got)
	plan = append(plan, settings...)
	if base.Link == nil || !found || len(foreignAddrs(base, got)) > 0 {
		return plan
	}
	if !base.Link.Up && tunnel.Up {
		plan = append(plan, LinkDown{device})
	}
	switch {
	case base.Link.Created:
		plan = append(plan, DeleteTunnel{device})
	case !base.Link.Existed && alone && got.Module.Loaded && !otherTunnels(got):
		plan = append(plan, UnloadModule{})
	}
	return plan
}

// otherTunnels reports whether other devices need the module.
func otherTunnels(got Observed) bool {
	return slices.ContainsFunc(got.Links, func(l Link) bool { return l.Kind == "ipip" && !l.Fallback() })
}

// foreignAddrs returns the tunnel's addresses that are not ours and were not
// there before us: another program uses the tunnel, or a VIP has lost its label.
func foreignAddrs(base Baseline, got Observed) []Addr {
	tunnel, found := got.Tunnel()
	had := base.given()
	for _, p := range base.Others {
		had[p] = true
	}
	var out []Addr
	for _, a := range got.Addrs {
		if found && a.Index == tunnel.Index && !Owned(a, tunnel.Name) && !had[a.Prefix] {
			out = append(out, a)
		}
	}
	return out
}

// TornDown reports whether a teardown has nothing more to do, now or after a
// human has helped, so that the baseline can be forgotten.
func TornDown(base Baseline, got Observed, alone bool) bool {
	_, withheld := restored(base, got)
	return !withheld && len(Teardown(base, base.Device, got, alone)) == 0
}

// RunTeardown carries out a Teardown, looking again until nothing is left that it
// could do, and returns what was tried and what the host looks like then. It
// is idempotent, and may be cut short at any point. The error means that there
// was no reading.
func RunTeardown(ctx context.Context, k Kernel, base Baseline, alone bool) ([]Step, Observed, error) {
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
		if got.linkByIndex(a.Index).Name == device && Owned(a, device) {
			out = append(out, DelAddr{device, a.Prefix, a.Peer})
		}
	}
	return out
}

// restoreAddrs puts back the VIPs that were there before us. They follow their
// removal directly, so that the path is interrupted for no longer than it was
// when we took them over.
func restoreAddrs(base Baseline, device string, got Observed) []Action {
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

// restored returns what gives the settings the values that they were found
// with, and whether some are withheld: those that keep this host from answering
// ARP, while the tunnel has what may be a VIP.
func restored(base Baseline, got Observed) (plan []Action, withheld bool) {
	values := map[sysctl.Key]int{}
	for key, value := range base.Sysctls {
		if now, there := base.currentKey(got, key); there {
			values[now] = value
		} else if _, there := got.Sysctls[key]; there && key.Scope == base.Device {
			values[key] = value // a tunnel made anew, to be as the one before it
		}
	}
	vips := len(unmarkedVIPs(base, got)) > 0
	// rp_filter back first, ARP last: the reverse of the way in.
	keys := slices.SortedFunc(maps.Keys(values), func(a, b sysctl.Key) int { return -sysctl.Compare(a, b) })
	for _, key := range keys {
		now, known := got.Sysctls[key]
		switch {
		case !known || now == values[key]:
		case vips && key.Name != sysctl.RPFilter:
			withheld = true
		default:
			plan = append(plan, RestoreSysctl{key, values[key]})
		}
	}
	return plan, withheld
}

// unmarkedVIPs returns the tunnel's addresses that may be VIPs of ours although
// nothing on them says so: another program has added or relabelled them, or the
// tunnel was renamed, when the kernel gives its first address the new name for
// a label. They are not removed, since they may be another's.
func unmarkedVIPs(base Baseline, got Observed) []netip.Addr {
	var out []netip.Addr
	for _, a := range foreignAddrs(base, got) {
		addr := a.Prefix.Addr()
		if !addr.IsLoopback() && (a.Prefix.Bits() == 32 || base.Ours[netip.PrefixFrom(addr, 32)]) {
			out = append(out, addr)
		}
	}
	return out
}

// elsewhere returns the VIPs of ours on other devices than the tunnel, in words.
func elsewhere(base Baseline, got Observed) []string {
	tunnel, _ := got.Tunnel()
	var out []string
	for _, a := range got.Addrs {
		if a.Index != tunnel.Index && base.Ours[netip.PrefixFrom(a.Prefix.Addr(), 32)] {
			out = append(out, a.Prefix.Addr().String()+" on "+got.linkByIndex(a.Index).Name)
		}
	}
	return out
}

// Leftovers says, for the person who tears down, what is left in place and why.
// got is the reading after the teardown, and acted whether it did anything.
func Leftovers(base Baseline, got Observed, acted bool) []string {
	var out []string
	if base.Lost {
		out = append(out, "An earlier record of the values found before the first change was damaged, so the values now restored may be our own: compare them with those of another host.")
	}
	if base.Empty() && acted {
		out = append(out, "There is no record of the values found before the first change, so settings and device were left as they are.")
	}
	tunnel, found := got.Tunnel()
	if _, withheld := restored(base, got); withheld {
		out = append(out, fmt.Sprintf("The ARP settings stay, or this host would answer ARP for what is still on %s and was not there before: %s. Remove it by hand if it is a VIP, and tear down again.",
			tunnel.Name, abridged(unmarkedVIPs(base, got))))
	}
	if left := elsewhere(base, got); len(left) > 0 {
		out = append(out, fmt.Sprintf("A VIP is on another device as well and stays there: %s. With the ARP settings as they were, this host may answer ARP for it.", abridged(left)))
	}
	foreign := foreignAddrs(base, got)
	if found && base.Link != nil && !base.Link.Up && tunnel.Up && len(foreign) > 0 {
		out = append(out, fmt.Sprintf("%s stays up, although it was not up before: another program's address is on it, %s.", tunnel.Name, foreign[0].Prefix))
	}
	if base.Link != nil && !base.Link.Existed && !base.Link.Created && got.Module.Loaded {
		out = append(out, "The module ipip stays loaded: another device, address or network namespace of this machine may need it.")
	}
	return out
}

// abridged names the first few of a list.
func abridged[T any](list []T) string {
	const most = 5
	var b strings.Builder
	for i, v := range list[:min(len(list), most)] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, v)
	}
	if more := len(list) - most; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

package agent

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"rsagent/sysctl"
)

// An Action is one change to the kernel. The set is closed: the types in this
// file. Actions are comparable values, and String is the command that a human
// would type for the same effect.
type Action interface {
	fmt.Stringer
	Phase() Phase
}

// Phase is an action's place in the safe order.
type Phase int

// The order of a plan. What is unsafe without something else comes after it:
// no VIP before the ARP settings, no open tunnel before its VIPs, nothing
// taken away before its replacement is there.
//
// A tunnel that is up while a VIP is missing lets the VIP's packets fall
// through to forwarding, back to the director; so addresses come first. It is
// also the faster way: on a device that is up each new address makes the
// kernel walk all routes of the device (fib_sync_up in
// net/ipv4/fib_semantics.c), half of the time that 10,000 VIPs take.
const (
	PhaseTunnel  Phase = iota // the device exists
	PhaseSysctl               // ARP settings first, see sysctl.Names
	PhasePersist              // what a replay of sysctl.d would set is the same
	PhaseAddress              // VIPs appear
	PhaseLinkUp               // the device is up
	PhaseRemove               // what is ours or strayed disappears
	PhaseRestore              // teardown only: settings as they were found
	PhaseDown                 // teardown only: the device goes down
	PhaseUnload               // teardown only: a device or module of our making goes
)

type (
	// LoadModule makes the kernel create its fallback device, loading ipip if
	// need be. It has succeeded when the device is there.
	LoadModule struct{ Device string }
	// CreateTunnel creates the fallback device in a namespace that has none
	// although the module is loaded (net.core.fb_tunnels_only_for_init_net).
	CreateTunnel struct{ Device string }
	// SetSysctl writes a key and reads it back.
	SetSysctl struct {
		Key   sysctl.Key
		Value int
	}
	// LinkUp and LinkDown set the administrative state.
	LinkUp struct{ Device string }
	// LinkDown is the counterpart of LinkUp.
	LinkDown struct{ Device string }
	// AddAddr adds an address; one that is there already is a success.
	AddAddr struct {
		Device string
		Prefix netip.Prefix
		Label  string // "" means the device's name, as the kernel has it
		// Only for an address that goes back to what it was.
		Broadcast netip.Addr
		Scope     int
	}
	// DelAddr removes an address; one that is gone already is a success.
	DelAddr struct {
		Device string
		Prefix netip.Prefix
		Peer   netip.Addr // the zero Addr if it has none
	}
	// Relabel removes and adds an address back to back, because the kernel
	// changes no label in place.
	Relabel struct {
		Device string
		Prefix netip.Prefix
		Label  string
	}
	// RestoreSysctl writes the value that was found at first contact.
	RestoreSysctl struct {
		Key   sysctl.Key
		Value int
	}
	// Persist writes the file PersistPath. Unpersist empties it, or removes it
	// where it is ours to remove.
	Persist struct{ Content string }
	// Unpersist is the counterpart of Persist.
	Unpersist struct{}
	// DeleteTunnel removes a device that CreateTunnel made.
	DeleteTunnel struct{ Device string }
	// UnloadModule removes the ipip module.
	UnloadModule struct{}
)

func (LoadModule) Phase() Phase    { return PhaseTunnel }
func (CreateTunnel) Phase() Phase  { return PhaseTunnel }
func (SetSysctl) Phase() Phase     { return PhaseSysctl }
func (Persist) Phase() Phase       { return PhasePersist }
func (LinkUp) Phase() Phase        { return PhaseLinkUp }
func (AddAddr) Phase() Phase       { return PhaseAddress }
func (Relabel) Phase() Phase       { return PhaseAddress }
func (DelAddr) Phase() Phase       { return PhaseRemove }
func (Unpersist) Phase() Phase     { return PhaseRestore }
func (RestoreSysctl) Phase() Phase { return PhaseRestore }
func (LinkDown) Phase() Phase      { return PhaseDown }
func (DeleteTunnel) Phase() Phase  { return PhaseUnload }
func (UnloadModule) Phase() Phase  { return PhaseUnload }

func (LoadModule) String() string      { return "modprobe ipip" }
func (a CreateTunnel) String() string  { return "ip link add " + a.Device + " type ipip" }
func (a SetSysctl) String() string     { return fmt.Sprintf("sysctl -w %s=%d", a.Key, a.Value) }
func (a RestoreSysctl) String() string { return fmt.Sprintf("sysctl -w %s=%d", a.Key, a.Value) }
func (Unpersist) String() string       { return "rm " + PersistPath }
func (a LinkUp) String() string        { return "ip link set dev " + a.Device + " up" }
func (a LinkDown) String() string      { return "ip link set dev " + a.Device + " down" }
func (a DeleteTunnel) String() string  { return "ip link del dev " + a.Device }
func (UnloadModule) String() string    { return "modprobe -r ipip" }
func (a Persist) String() string {
	return "printf '%s\\n' " + strings.Join(settingsIn(a.Content), " ") + " | install -Dm644 /dev/stdin " + PersistPath
}
func (a DelAddr) String() string {
	which := a.Prefix.String()
	if a.Peer.IsValid() { // which the length of the prefix belongs to
		which = fmt.Sprintf("%s peer %s/%d", a.Prefix.Addr(), a.Peer, a.Prefix.Bits())
	}
	return "ip addr del " + which + " dev " + a.Device
}
func (a Relabel) String() string {
	return DelAddr{Device: a.Device, Prefix: a.Prefix}.String() + "; " + a.Add().String()
}
func (a AddAddr) String() string {
	s := "ip addr add " + a.Prefix.String()
	if a.Broadcast.IsValid() {
		s += " brd " + a.Broadcast.String()
	}
	s += " dev " + a.Device
	if a.Scope != 0 {
		s += fmt.Sprintf(" scope %d", a.Scope)
	}
	if a.Label != "" && a.Label != a.Device {
		s += " label " + a.Label
	}
	return s
}

// Add is the second half of a Relabel.
func (a Relabel) Add() AddAddr { return AddAddr{Device: a.Device, Prefix: a.Prefix, Label: a.Label} }

// A Repair is an action with what it repairs.
type Repair struct {
	Subject
	Action Action
}

// Plan returns nothing but the fixes of the findings, each once, in the safe
// order. It is deterministic.
func Plan(findings []Finding) []Repair {
	var plan []Repair
	seen := map[Action]bool{}
	for _, f := range findings {
		if f.Fix != nil && !seen[f.Fix] {
			seen[f.Fix] = true
			plan = append(plan, Repair{f.Subject, f.Fix})
		}
	}
	slices.SortStableFunc(plan, func(a, b Repair) int { return compareActions(a.Action, b.Action) })
	return plan
}

// Actions returns the actions of repairs, in their order.
func Actions(plan []Repair) []Action {
	out := make([]Action, len(plan))
	for i, r := range plan {
		out[i] = r.Action
	}
	return out
}

func compareActions(a, b Action) int {
	if d := int(a.Phase()) - int(b.Phase()); d != 0 {
		return d
	}
	sa, okA := a.(SetSysctl)
	sb, okB := b.(SetSysctl)
	if okA && okB {
		return sysctl.Compare(sa.Key, sb.Key)
	}
	return 0
}

// Script returns the plan as the lines a human would type.
func Script(plan []Action) string {
	var b strings.Builder
	for _, a := range plan {
		b.WriteString(a.String())
		b.WriteByte('\n')
	}
	return b.String()
}

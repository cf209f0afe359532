package agent

import (
	"net/netip"
	"slices"

	"rsagent/sysctl"
)

// DefaultDevice is the name the kernel gives to its IPIP fallback device.
const DefaultDevice = "tunl0"

// MaxDevice is the longest device name whose ownership label still fits into
// the 15 bytes of IFA_LABEL (IFNAMSIZ-1).
const MaxDevice = 12

// Desired is what the config asks for, as plain values. [Desired.Normal] gives
// the form that all other functions expect.
type Desired struct {
	Device    string       // the tunnel device, at most MaxDevice bytes
	VIPs      []netip.Addr // IPv4, each put on the device as a /32
	Directors []netip.Addr // who may tunnel to us; empty means anyone
	// AnySender is true if the config could have named directors and did not.
	AnySender    bool
	RPFilter     int  // 0 or 2, see sysctl.Profile
	ObserveOnly  bool // report, change nothing
	RemoveStrays bool // take VIPs off devices where they must not be
	Persist      bool // keep PersistPath in step with what is enforced
	Policy       Policy
	// Focused is true if only some of the VIPs are asked about, see Focus.
	Focused bool
}

// Normal returns d with the device name filled in and with VIPs and directors
// sorted and without duplicates. The slices are copies.
func (d Desired) Normal() Desired {
	if d.Device == "" {
		d.Device = DefaultDevice
	}
	d.VIPs, d.Directors = sorted(d.VIPs), sorted(d.Directors)
	return d
}

func sorted(in []netip.Addr) []netip.Addr {
	out := slices.Clone(in)
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// Rules returns the sysctl profile that d asks for.
func (d Desired) Rules() []sysctl.Rule { return sysctl.Profile(d.RPFilter) }

// Label returns the label that marks addresses on device as ours.
func Label(device string) string { return device + ":rs" }

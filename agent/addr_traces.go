package agent

import "fmt"

// AddrTraces returns what may be found because an address came to a device, or
// went from it, whether or not that is the tunnel: traces by the ID of the
// finding and by what it got, which lack the time and who it was. What may
// have another cause as well is left out.
func AddrTraces(device string, tunnel bool, a Addr, came bool) []Trace {
	id := "addr/" + device + "/" + a.Prefix.Addr().String()
	whole := a.Prefix.IsSingleIP()
	switch {
	case !came && whole:
		return []Trace{{ID: id, New: "absent"}}
	case !came || tunnel && whole && a.Label == Label(device):
		return nil
	case tunnel && whole: // a VIP that is not known as ours, or no VIP
		return []Trace{{ID: id, New: "label " + a.Label}, {ID: id, New: "present"}}
	case tunnel:
		return []Trace{{ID: fmt.Sprintf("%s/%d", id, a.Prefix.Bits()), New: "present as " + a.Prefix.String()}}
	}
	return []Trace{{ID: id, New: "present as " + a.Prefix.String()}}
}

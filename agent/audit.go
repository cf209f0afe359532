package agent

// AddrRecords returns what may be found because an address came to a device, or
// went from it, whether or not that is the tunnel: traces by the ID of the
// finding and by what it got, which lack the time and who it was. What may
// have another cause as well is left out.
func AddrRecords(device string, tunnel bool, a Addr, came bool) []AuditRecord {
	subject := func(k Kind) Subject { return Subject{Kind: k, Device: device, VIP: a.Prefix.Addr()} }
	whole := a.Prefix.IsSingleIP()
	switch {
	case !came && whole:
		return []AuditRecord{{Subject: subject(KindVIP), New: "absent"}}
	case !came || tunnel && whole && a.Label == Label(device):
		return nil
	case tunnel && whole: // a VIP that is not known as ours, or no VIP
		return []AuditRecord{{Subject: subject(KindVIP), New: "label " + a.Label}, {Subject: subject(KindForeign), New: "present"}}
	case tunnel:
		s := subject(KindStray)
		s.Bits = a.Prefix.Bits()
		return []AuditRecord{{Subject: s, New: "present as " + a.Prefix.String()}}
	}
	return []AuditRecord{{Subject: subject(KindStray), New: "present as " + a.Prefix.String()}}
}

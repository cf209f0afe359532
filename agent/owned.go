package agent

// Owned reports whether an address on the named device is ours: it carries our
// label. A device that is renamed takes its labels along, and the kernel cuts
// off the front part that does not fit before the suffix into the 15 bytes of
// IFA_LABEL (inetdev_changename in net/ipv4/devinet.c).
func Owned(a Addr, device string) bool {
	return a.Label == Label(device[:min(len(device), MaxDevice)])
}

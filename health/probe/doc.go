// Package probe proves the path of a packet through a real server with a real
// packet: it wraps a client's SYN or echo request as a director does, lets it
// arrive at this host, and waits for the VIP's own answer. When none comes it
// says which step on the way failed.
//
// [Prober] does that on the real server itself, through a device of which one
// end is the host's IP stack and the other is the prober, so that no network
// is touched; [Remote] does it from a director's place over the real network.
// Neither opens devices or sockets: both are handed what they read and write.
//
// # What is sent
//
// The inner packet comes from an address reserved for documentation that is
// routed to the device, from a fresh port each time. It has a TTL of 1. A host
// that has the VIP does not look at that (RFC 1122, section 3.2.1.7); one that
// would forward the packet, because the VIP is missing, drops it and says so
// with "time exceeded": the one answer that proves a loop without making one.
// A SYN-ACK is answered with RST at once, so that nothing is left half open,
// and at most a few are ever open at the same time.
//
// The outer packet comes from a director if some are configured, since a
// firewall may let in nobody else, and a tunnel of its own may take what one
// of them sends. But what the kernel has to say about an outer packet
// ("protocol unreachable") goes to its sender, and a director is out there on
// the real network. So a director's address is used only while the reading
// says that the kernel has no reason to complain: module loaded, tunnel up,
// RIP local. Otherwise, and where no director is known, the sender is a second
// documentation address, and the kernel's complaint comes back to the device,
// where it is the most precise evidence of all. What remains is a firewall rule that
// rejects, rather than drops, a director's packets: it does so to each of ours
// as to each of the director's own.
//
// # What an answer means
//
// SYN-ACK and echo reply: the path works. RST: the path works and nobody
// listens. Silence is followed by three more packets with the kernel's
// counters read before and after, and by a fresh reading of the host; and the
// packet's way is walked hop by hop with all that, up to the first one that
// explains it. If none does it was a firewall. Counters are the host's, and
// other traffic moves them as well; so they support what the reading says, and
// decide only where it says nothing.
//
// A probe cannot see rules that are bound to a NIC by name, since its packets
// come in on another device; and where a firewall lets protocol 4 in on named
// NICs only, the probe's device (rsprobe0 and the like) must be named there
// too.
package probe

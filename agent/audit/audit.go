// Package audit says who changed what: which process wrote a sysctl, asked over
// rtnetlink for a change of an address or a link, or took a device down. The
// kernel's own announcements never say who, and of most sysctls they say nothing.
//
// Its BPF programs are in bpf/audit.c, compiled by bpf2go ("make generate") into
// an object that is committed. There are two independent parts:
//
//	[Writes]      pushed: each write to a watched sysctl, by any process of the
//	              host through any procfs, with the old and the new value, just
//	              before it happens. A cgroup/sysctl program at the root of all
//	              cgroups. Needs CAP_BPF and CAP_NET_ADMIN, and CAP_PERFMON to
//	              name the writer.
//	[Requesters]  looked up: the process behind an announcement, by the port and
//	              the sequence number in its header, or by the device that went
//	              down. Two fentry programs, for one network namespace. Needs
//	              CAP_BPF, CAP_PERFMON, a kernel that knows its own types, and on
//	              arm64 Linux 6.4.
//
// Nothing is seen of what needs no write to a file: a value set over netlink
// (IFLA_INET_CONF), or a device that follows conf/default. So the audit gives
// hints and names; the reading of the kernel stays the truth.
//
// All that crosses the interface is plain values: no file, no map, no pointer
// into either. A process of its own could do the same over a socket: one stream
// of writes and losses, Flush in the other direction, and one question with one
// answer for each lookup. So a lookup may come to cost a round trip: look up what
// is reported, not each event. Both parts are safe for concurrent use, need
// nothing but the capabilities above and leave nothing behind in the kernel, even
// when the process is killed.
package audit

import "time"

// An Actor is a process, at the moment when it did something.
type Actor struct {
	Time  time.Time
	PID   int    // in the host's PID namespace; 0 if not known
	UID   int    // its real user ID, in the host's user namespace
	Comm  string // the name of its thread, at most 15 bytes; "" if not known
	NetNS uint64 // inode of the network namespace in which it was done; 0 if not known
}

// A Write is one write to a sysctl, or the attempt: where something else refuses
// or changes it on its way (another BPF program, a value out of range), it is
// here as it was asked for. The namespace is the writer's; which one the sysctl
// belongs to was decided when its file was opened.
type Write struct {
	Actor
	Key string // below /proc/sys, with slashes: net/ipv4/conf/all/rp_filter
	// Old and New are without the white space around them and cut after 63
	// bytes.
	Old, New string
}

// Package agent is the core of rsagent, and pure: what a real server behind
// LVS/TUN must look like, how it looks, what differs, and what to do about it
// in which order.
//
// Every feature is a row in one of five steps:
//
//	Desired   what the config asks for
//	Observed  one consistent reading of everything that Desired talks about
//	Diff      all policy: Desired and Observed become Findings
//	Plan      nothing but the fixes of the findings, in the safe order
//	Pass      observe, diff, plan, apply, observe again; yields a Report
//
// Only [Kernel] has effects, and it decides nothing. The package imports no
// netlink, no exec and no network code; a test holds it to that.
//
// Laws, each of them a test: after a pass over a working kernel no fixable
// finding is left; a second pass applies nothing; no plan adds an address
// before the ARP settings; when a setting cannot be written no VIP is added;
// nothing that the config does not name is ever changed.
//
// The kernel is the only memory of what is there. Ownership is written into
// it: an address that rsagent adds carries the label "<device>:rs", and only
// such addresses are removed for no longer being in the config. The one thing
// the kernel cannot remember, what it held before we came, is the [Baseline].
package agent

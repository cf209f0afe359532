// Package agenttest has what tests of rsagent need in place of a kernel, and
// what proves that it may take a kernel's place.
//
// [Fake] is an agent.Kernel that models Linux: links, IPv4 addresses with
// their labels, the settings under net.ipv4.conf, the ipip module and its
// fallback device. It does not nod: what fails on Linux fails here, with the
// same errno. [MemStore] is an agent.Store in memory.
//
// A [Machine] is a host as a human at its shell sees it. Fake is one, and so
// is [Shell], which runs the real commands. Tests tamper through it with the
// commands that an operator would type.
//
// [Conformance] is the suite that both the fake and the real kernel must pass,
// so that the model cannot drift from Linux unnoticed.
package agenttest

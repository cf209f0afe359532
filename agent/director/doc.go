// Package director is an embedded LVS director: the sending side of LVS/TUN, small enough to program IPVS for a real
// server's test, its demonstration and its data-path probe, and complete enough to be used by itself.
//
// It has two halves that do not know each other.
//
// # The table
//
// A [Director] programs the IPVS of the network namespace in which it was opened, over netlink: virtual services, real
// servers behind them, weights, and the VIP on the director's own NIC. Every change is an "ensure": it reads what is
// there, decides, and does nothing when nothing is to be done. The decisions are pure functions over plain values; the
// kernel is reached through two small interfaces that a fake models in the tests.
//
// Only IPv4 services that forward by IPIP tunnel can be made, and a real server's port is its service's port, because a
// director that tunnels leaves the inner packet alone: TUN maps no ports. What others have put into the table is listed
// as it is, whatever its forwarding method, and saved as it is.
//
// # The packets
//
// [Encapsulate] and [Decapsulate] do to one packet what IPVS and the tunnel device do (RFC 2003). Beside them stand the
// few packets that a probe of the path needs (a TCP SYN and the answers to it, ICMP echo) and the two schedulers whose
// order can be foretold, [RoundRobin] and [WeightedRoundRobin]. All of it is arithmetic over bytes: no sockets, no
// clocks, and no input that makes it panic.
package director

// Package director programs the IPVS of a network namespace for tests and the demonstration: virtual services, real
// servers behind them by IPIP tunnel, and their weights, saved and restored in the format of ipvsadm.
//
// Every change is idempotent: it reads the table and writes only what differs. The decisions are pure functions over
// plain values; the kernel is behind a small interface, which a fake models in the tests.
//
// Only IPv4 services can be made, and a real server's port is its service's port, because a director that tunnels does
// not change the inner packet: TUN maps no ports. Foreign services, made by other programs, are listed and saved as they
// are, whatever their forwarding method.
package director

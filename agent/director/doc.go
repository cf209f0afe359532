// Package director programs the IPVS of a network namespace for tests and the demonstration: virtual services, real
// servers behind them by IPIP tunnel, and their weights, saved and restored in the format of ipvsadm.
//
// Every change is an "ensure": it reads what is there, decides, and does nothing when nothing is to be done. The
// decisions are pure functions over plain values; the kernel is reached through a small interface that a fake models in
// the tests.
//
// Only IPv4 services can be made, and a real server's port is its service's port, because a director that tunnels leaves
// the inner packet alone: TUN maps no ports. What others have put into the table is listed as it is, whatever its
// forwarding method, and saved as it is.
package director

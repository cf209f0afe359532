// Package packet builds and parses the packets on a tunnel's path: an IP
// packet, the TCP segment or ICMP message in it, one packet wrapped in another
// as a director wraps it, and what an ICMP error quotes of a packet. It is
// arithmetic over bytes: no sockets, no clocks, and no input that makes it
// panic.
//
// The version of IP follows from the addresses, and the encapsulation from the
// outer header's protocol number. So far these are IPv4 and IPIP (RFC 2003);
// everything else is an error that names it.
package packet

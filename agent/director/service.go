package director

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
)

// Protocol is a transport protocol by its IANA number.
type Protocol uint8

// The protocols of a virtual service. Others appear only in listings of foreign services.
const (
	TCP Protocol = 6
	UDP Protocol = 17

	sctp Protocol = 132
)

// String returns the name that ipvsadm prints: "TCP", "UDP", "SCTP", or "?" for anything else.
func (p Protocol) String() string {
	switch p {
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	case sctp:
		return "SCTP"
	}
	return "?"
}

// MaxWeight is the largest weight of a real server, the bound that ipvsadm(8) sets.
const MaxWeight = 65535

// maxScheduler is the longest scheduler name: IP_VS_SCHEDNAME_MAXLEN of linux/ip_vs.h, less the terminating zero.
const maxScheduler = 15

// Service is a virtual service: what clients connect to. VIP, Port and Protocol identify it; Scheduler is its one
// property. Scheduler names an IPVS scheduler without the "ip_vs_" of its module: rr, wrr, lc, wlc, sh, mh.
type Service struct {
	VIP       netip.Addr
	Port      uint16
	Protocol  Protocol
	Scheduler string
}

// String returns the service as "TCP 172.25.84.100:80".
func (s Service) String() string {
	return fmt.Sprintf("%s %s", s.Protocol, netip.AddrPortFrom(s.VIP, s.Port))
}

// RealServer is a server behind a virtual service, reached through an IPIP tunnel to its RIP. RIP identifies it within
// its service. Port is the service's, and 0 stands for that. Weight is 0 to [MaxWeight]; 0 gives the server no new
// connections, and leaves it those that it has.
type RealServer struct {
	RIP    netip.Addr
	Port   uint16
	Weight int
}

// Validate returns nil for a service that this package can make, and otherwise every reason why not, joined.
func (s Service) Validate() error {
	return errors.Join(s.validateKey(), validateScheduler(s.Scheduler))
}

// validateKey checks only what identifies a service.
func (s Service) validateKey() error {
	var errs []error
	if err := validateUnicast(s.VIP); err != nil {
		errs = append(errs, fmt.Errorf("VIP %w", err))
	}
	if s.Port == 0 {
		errs = append(errs, errors.New("service port 0: allowed are 1 to 65535"))
	}
	if s.Protocol != TCP && s.Protocol != UDP {
		errs = append(errs, fmt.Errorf("protocol %d: allowed are TCP and UDP", s.Protocol))
	}
	return errors.Join(errs...)
}

// ValidateFor returns nil for a real server that may stand behind service s, and otherwise every reason why not,
// joined. A port other than the service's is [ErrPortMapped].
func (rs RealServer) ValidateFor(s Service) error {
	var errs []error
	if err := validateUnicast(rs.RIP); err != nil {
		errs = append(errs, fmt.Errorf("RIP %w", err))
	} else if rs.RIP == s.VIP {
		// Its director would tunnel every packet back to itself.
		errs = append(errs, fmt.Errorf("RIP %s: is the VIP itself", rs.RIP))
	}
	if rs.Port != 0 && rs.Port != s.Port {
		errs = append(errs, fmt.Errorf("real server port %d, service port %d: %w", rs.Port, s.Port, ErrPortMapped))
	}
	return errors.Join(append(errs, validateWeight(rs.Weight))...)
}

func validateWeight(weight int) error {
	if weight < 0 || weight > MaxWeight {
		return fmt.Errorf("weight %d: allowed are 0 to %d", weight, MaxWeight)
	}
	return nil
}

// validateScheduler checks the form of the name only: which schedulers there are is the kernel's to say.
func validateScheduler(name string) error {
	if name == "" || len(name) > maxScheduler {
		return fmt.Errorf("scheduler %q: allowed are 1 to %d characters, such as rr, wrr, lc, wlc, sh, mh", name, maxScheduler)
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return fmt.Errorf("scheduler %q: allowed are lower-case letters, digits and _", name)
		}
	}
	return nil
}

// validateUnicast refuses what no host outside this one can be addressed by (RFC 6890): 0.0.0.0/8, loopback,
// multicast, the reserved 240.0.0.0/4 and the limited broadcast in it.
func validateUnicast(a netip.Addr) error {
	switch {
	case !a.IsValid():
		return errors.New("missing")
	case !a.Is4():
		return fmt.Errorf("%s: %w", a, ErrIPv6)
	}
	switch first := a.As4()[0]; {
	case first == 0:
		return fmt.Errorf("%s: not a host address", a)
	case a.IsLoopback():
		return fmt.Errorf("%s: loopback", a)
	case a.IsMulticast():
		return fmt.Errorf("%s: multicast", a)
	case first >= 240:
		return fmt.Errorf("%s: reserved or broadcast", a)
	}
	return nil
}

// effectivePort returns the port that the kernel gets.
func (rs RealServer) effectivePort(s Service) uint16 {
	return cmp.Or(rs.Port, s.Port)
}

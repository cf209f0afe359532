package health

import (
	"net/netip"
	"strconv"
	"time"

	"rsagent/agent"
)

// A Service must answer on its VIP for the VIP to be ready.
type Service struct {
	VIP  netip.Addr
	Port uint16
	// HTTPPath is what is asked for over HTTP; a status from 200 to 399 is an
	// answer. Empty means that a TCP connection is enough.
	HTTPPath string
	// Body must occur in the first 64 KiB of the answer, if it is not empty.
	Body string
}

// Addr is where the service listens.
func (s Service) Addr() netip.AddrPort { return netip.AddrPortFrom(s.VIP, s.Port) }

// ID names the service in findings: service/172.25.84.100:80, with the path if
// there is one.
func (s Service) ID() string { return s.subject().ID() }

func (s Service) subject() agent.Subject {
	return agent.Subject{Kind: agent.KindService, VIP: s.VIP, Port: s.Port, Name: s.HTTPPath}
}

func (s Service) port() string { return strconv.Itoa(int(s.Port)) }

// ServiceResult is the last answer of a service. A zero Time means that it was
// not asked yet.
type ServiceResult struct {
	Service
	Up     bool
	Detail string // what was answered, or why not; no period
	Took   time.Duration
	Time   time.Time
}

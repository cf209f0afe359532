package director

import (
	"fmt"
	"net/netip"
	"strings"
)

// verb is one of the things that can be done to the table.
type verb uint8

const (
	addService verb = iota
	editService
	deleteService
	addServer
	editServer
	deleteServer
)

// op is one change to the table. Its service and server carry every property, so that an edit gives back to the kernel
// what it does not mean to change.
type op struct {
	verb    verb
	service ServiceStatus
	server  ServerStatus // of the three server verbs
}

// String returns the command that a person would type.
func (o op) String() string {
	return "ipvsadm " + o.rule()
}

// rule returns the command without the program's name: a line of `ipvsadm -Sn`.
func (o op) rule() string {
	switch o.verb {
	case addService:
		return "-A " + serviceRule(o.service)
	case editService:
		return "-E " + serviceRule(o.service)
	case deleteService:
		return "-D " + serviceName(o.service)
	case addServer:
		return "-a " + serverRule(o.service, o.server)
	case editServer:
		return "-e " + serverRule(o.service, o.server)
	}
	return fmt.Sprintf("-d %s -r %s", serviceName(o.service), netip.AddrPortFrom(o.server.RIP, o.server.Port))
}

// serviceName returns the options that identify a service.
func serviceName(s ServiceStatus) string {
	switch {
	case s.FWMark != 0 && s.IPv6:
		return fmt.Sprintf("-f %d -6", s.FWMark)
	case s.FWMark != 0:
		return fmt.Sprintf("-f %d", s.FWMark)
	}
	option := map[Protocol]string{TCP: "-t", UDP: "-u", sctp: "--sctp-service"}[s.Protocol]
	if option == "" {
		option = "--xxx-service"
	}
	return option + " " + netip.AddrPortFrom(s.VIP, s.Port).String()
}

func serviceRule(s ServiceStatus) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s -s %s", serviceName(s), s.Scheduler)
	if s.Persistence != 0 {
		fmt.Fprintf(&b, " -p %d", int64(s.Persistence.Seconds()))
		if s.PersistenceMask != "" {
			b.WriteString(" -M " + s.PersistenceMask)
		}
	}
	if s.OnePacket {
		b.WriteString(" -o")
	}
	if s.SchedulerFlags != 0 {
		b.WriteString(" -b " + s.SchedulerFlags.names(s.Scheduler))
	}
	return b.String()
}

func serverRule(s ServiceStatus, rs ServerStatus) string {
	method := map[Forward]string{Masquerade: "-m", Tunnel: "-i"}[rs.Forward]
	if method == "" {
		method = "-g"
	}
	rule := fmt.Sprintf("%s -r %s %s -w %d", serviceName(s), netip.AddrPortFrom(rs.RIP, rs.Port), method, rs.Weight)
	if rs.Forward == Tunnel {
		rule += rs.Encapsulation.rule()
	}
	return rule
}

func (e Encapsulation) rule() string {
	checksum := [...]string{"--tun-nocsum", "--tun-csum", "--tun-remcsum"}[min(e.Checksum, 2)]
	switch e.Kind {
	case IPIP:
		return " --tun-type ipip"
	case GUE:
		return fmt.Sprintf(" --tun-type gue --tun-port %d %s", e.Port, checksum)
	case GRE:
		return " --tun-type gre " + checksum
	}
	return ""
}

// planService decides how to get from the current service, if it exists, to the wanted one. The same scheduler is
// nothing to do; another one is an edit that keeps whatever else has been set, except the old scheduler's options.
func planService(current []ServiceStatus, want Service) []op {
	if len(current) == 0 {
		return []op{{verb: addService, service: ServiceStatus{Service: want}}}
	}
	edited := current[0]
	if edited.Scheduler == want.Scheduler {
		return nil
	}
	edited.Scheduler, edited.SchedulerFlags = want.Scheduler, 0
	return []op{{verb: editService, service: edited}}
}

// planServer decides how to get to the wanted server of a service that exists. A server that is forwarded to by another
// method is edited to the tunnel; its thresholds stay.
func planServer(service ServiceStatus, want RealServer) []op {
	want.Port = want.effectivePort(service.Service)
	current, found := service.server(want.RIP, want.Port)
	if !found {
		return []op{{verb: addServer, service: service, server: ServerStatus{RealServer: want, Forward: Tunnel}}}
	}
	edited := current
	edited.RealServer, edited.Forward, edited.Encapsulation = want, Tunnel, Encapsulation{}
	if edited == current {
		return nil
	}
	return []op{{verb: editServer, service: service, server: edited}}
}

// planRestore decides how to get to every wanted service and server. Others stay.
func planRestore(current []ServiceStatus, want []rules) []op {
	byKey := make(map[serviceKey]ServiceStatus, len(current))
	for _, s := range current {
		byKey[s.key()] = s
	}
	var ops []op
	for _, w := range want {
		service, found := byKey[w.service.key()]
		var now []ServiceStatus
		if found {
			now = []ServiceStatus{service}
		} else {
			service = ServiceStatus{Service: w.service}
		}
		ops = append(ops, planService(now, w.service)...)
		for _, rs := range w.servers {
			ops = append(ops, planServer(service, rs)...)
		}
	}
	return ops
}

package director

import (
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"syscall"
	"time"

	"github.com/cloudflare/ipvs"
	"github.com/cloudflare/ipvs/netmask"
)

// kernelTable is the kernel's table, over generic netlink.
type kernelTable struct{ client ipvs.Client }

func (t kernelTable) close() error {
	// The library's interface has no Close; the value behind it does.
	if c, ok := t.client.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (t kernelTable) info() (Info, error) {
	i, err := t.client.Info()
	return Info{Version: i.Version, ConnectionTable: i.ConnectionTableSize}, err
}

func (t kernelTable) read(only *serviceKey) ([]ServiceStatus, error) {
	services, err := t.services(only)
	if err != nil {
		return nil, err
	}
	list := make([]ServiceStatus, 0, len(services))
	for _, s := range services {
		servers, err := t.client.Destinations(s.Service)
		if err != nil && !isEmpty(err) {
			return nil, err
		}
		status := fromService(s)
		for _, d := range servers {
			status.Servers = append(status.Servers, fromDestination(d))
		}
		list = append(list, status)
	}
	return list, nil
}

func (t kernelTable) services(only *serviceKey) ([]ipvs.ServiceExtended, error) {
	if only == nil {
		all, err := t.client.Services()
		if isEmpty(err) {
			return nil, nil
		}
		return all, err
	}
	// The other fields of a service do not matter for finding it.
	one, err := t.client.Service(toService(ServiceStatus{Service: Service{VIP: only.vip, Port: only.port, Protocol: only.protocol}}))
	if errors.Is(err, syscall.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []ipvs.ServiceExtended{one}, nil
}

// isEmpty recognises how the library reports a dump without entries: by fs.ErrNotExist. The kernel's own ENOENT, which
// errors.Is takes for the same, is another matter.
func isEmpty(err error) bool {
	errno := syscall.Errno(0)
	return errors.Is(err, fs.ErrNotExist) && !errors.As(err, &errno)
}

func (t kernelTable) apply(o op) error {
	service, server := toService(o.service), toDestination(o.server)
	switch o.verb {
	case addService:
		return t.client.CreateService(service)
	case editService:
		return t.client.UpdateService(service)
	case deleteService:
		return t.client.RemoveService(service)
	case addServer:
		return t.client.CreateDestination(service, server)
	case editServer:
		return t.client.UpdateDestination(service, server)
	case deleteServer:
		return t.client.RemoveDestination(service, server)
	}
	return syscall.EINVAL
}

// schedulerShift is where IP_VS_SVC_F_SCHED1 of linux/ip_vs.h stands; the other two follow.
const schedulerShift = 3

// toService translates a service for the kernel, which insists on every field: a service without a netmask is EINVAL.
func toService(s ServiceStatus) ipvs.Service {
	k := ipvs.Service{
		Address:   s.VIP,
		Netmask:   netmask.MaskFrom(32, 32),
		Scheduler: s.Scheduler,
		Timeout:   uint32(s.Persistence / time.Second),
		Flags:     ipvs.Flags(s.SchedulerFlags) << schedulerShift,
		Port:      s.Port,
		FWMark:    s.FWMark,
		Family:    ipvs.INET,
		Protocol:  ipvs.Protocol(s.Protocol),
	}
	if s.IPv6 {
		k.Family, k.Netmask = ipvs.INET6, netmask.MaskFrom(128, 128)
	}
	if s.Persistence != 0 {
		k.Flags |= ipvs.ServicePersistent
	}
	if s.OnePacket {
		k.Flags |= ipvs.ServiceOnePacket
	}
	if mask := (netmask.Mask{}); s.PersistenceMask != "" && mask.UnmarshalText([]byte(s.PersistenceMask)) == nil {
		k.Netmask = mask
	}
	return k
}

func fromService(k ipvs.ServiceExtended) ServiceStatus {
	s := ServiceStatus{
		Service: Service{
			VIP:       k.Address,
			Port:      k.Port,
			Protocol:  Protocol(k.Protocol),
			Scheduler: k.Scheduler,
		},
		FWMark:         k.FWMark,
		IPv6:           k.Family == ipvs.INET6,
		OnePacket:      k.Flags&ipvs.ServiceOnePacket != 0,
		SchedulerFlags: SchedulerFlags(k.Flags>>schedulerShift) & 7,
		Counters:       fromStats(k.Stats64),
	}
	if k.Flags&ipvs.ServicePersistent != 0 {
		s.Persistence = time.Duration(k.Timeout) * time.Second
		if k.Netmask != netmask.MaskFrom(32, 32) && k.Netmask != netmask.MaskFrom(128, 128) {
			s.PersistenceMask = k.Netmask.String()
		}
	}
	return s
}

func toDestination(rs ServerStatus) ipvs.Destination {
	return ipvs.Destination{
		Address:        rs.RIP,
		FwdMethod:      ipvs.ForwardType(rs.Forward),
		Weight:         uint32(rs.Weight),
		UpperThreshold: rs.UpperThreshold,
		LowerThreshold: rs.LowerThreshold,
		Port:           rs.Port,
		Family:         familyOf(rs.RIP),
		TunnelType:     ipvs.TunnelType(rs.Encapsulation.Kind),
		TunnelPort:     rs.Encapsulation.Port,
		TunnelFlags:    ipvs.TunnelFlags(rs.Encapsulation.Checksum),
	}
}

func fromDestination(k ipvs.DestinationExtended) ServerStatus {
	return ServerStatus{
		RealServer:          RealServer{RIP: k.Address, Port: k.Port, Weight: int(k.Weight)},
		Forward:             Forward(k.FwdMethod),
		Encapsulation:       Encapsulation{Kind: EncapsulationKind(k.TunnelType), Port: k.TunnelPort, Checksum: uint16(k.TunnelFlags)},
		UpperThreshold:      k.UpperThreshold,
		LowerThreshold:      k.LowerThreshold,
		ActiveConnections:   k.ActiveConnections,
		InactiveConnections: k.InactiveConnections,
		Counters:            fromStats(k.Stats64),
	}
}

func familyOf(a netip.Addr) ipvs.AddressFamily {
	if a.Is6() {
		return ipvs.INET6
	}
	return ipvs.INET
}

func fromStats(k ipvs.Stats) Counters {
	return Counters{Connections: k.Connections, PacketsIn: k.IncomingPackets, BytesIn: k.IncomingBytes}
}

package linux

import (
	"os"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/agent/audit"
)

// addrTraces says who asked for the address to come or to go, if that is known.
func (k *Host) addrTraces(m *syscall.NetlinkMessage, a agent.Addr) []agent.AuditRecord {
	requesters := k.requesters.Load()
	if requesters == nil {
		return nil
	}
	device, tunnel, named := k.mirror.device(a.Index)
	if !named || !tunnel && !k.mirror.wants(a.Prefix.Addr()) {
		return nil // not one of ours, and a lookup takes time
	}
	traces := agent.AddrRecords(device, tunnel, a, m.Header.Type == unix.RTM_NEWADDR)
	port, seq := m.Header.Pid, m.Header.Seq
	for i := range traces {
		traces[i].Asked = func() (time.Time, agent.Actor, bool) {
			who, known := requesters.RequestBy(port, seq)
			return who.Time, actor(who), known
		}
	}
	return traces
}

// linkTraces says who took the device down, if it is down and that is known.
// The kernel announces that without the number of any request.
func (k *Host) linkTraces(m *syscall.NetlinkMessage, name string) []agent.AuditRecord {
	msg := nl.DeserializeIfInfomsg(m.Data)
	requesters := k.requesters.Load()
	if requesters == nil || m.Header.Type != unix.RTM_NEWLINK || msg.Flags&unix.IFF_UP != 0 {
		return nil
	}
	if _, tunnel, _ := k.mirror.device(int(msg.Index)); !tunnel {
		return nil
	}
	who, known := requesters.LinkDownBy(uint32(msg.Index))
	if !known || who.PID == os.Getpid() {
		return nil
	}
	return []agent.AuditRecord{{Time: who.Time, Subject: agent.Subject{Kind: agent.KindLinkUp, Device: name}, New: "down", By: actor(who)}}
}

func actor(a audit.Actor) agent.Actor { return agent.Actor{PID: a.PID, UID: a.UID, Comm: a.Comm} }

package linux

import (
	"bytes"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/sysctl"
)

// told takes what was announced, in the kernel's order. It runs with the news
// locked, and so one at a time; it must not take k.mu, see Observe. Where
// atOnce, it may repair, and reports whether it did.
func (k *Host) told(messages []syscall.NetlinkMessage, lost, atOnce bool) (repaired bool) {
	hint := agent.Hint{All: lost}
	if lost {
		k.mirror.drop()
		k.ground.drop()
	}
	news := lost
	for i := range messages {
		m := &messages[i]
		var said agent.Hint
		switch m.Header.Type {
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			said = k.toldAddr(m, atOnce)
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			k.ground.drop()
			said = k.toldLink(m)
		case unix.RTM_NEWNETCONF:
			said = k.toldConf(m, atOnce)
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			said = toldRoute(m)
			if k.reflexes.covers(said) {
				said = agent.Hint{}
			}
		default: // rules
			said = everything
		}
		if said.All || len(said.Addrs)+len(said.Links)+len(said.Keys) > 0 {
			hint, news = hint.Merge(said), true
		}
	}
	if news {
		k.reflexes.disturbed()
		if !k.reflexes.keeps(hint) {
			k.post(hint)
		}
	}
	return len(hint.Mended) > 0
}

func (k *Host) post(h agent.Hint) {
	k.box.Post(h)
	if len(h.Keys) > 0 {
		k.authors.soon()
	}
}

// toldAddr keeps the mirror in step. What we did ourselves is no news.
func (k *Host) toldAddr(m *syscall.NetlinkMessage, atOnce bool) agent.Hint {
	a, ok := parseAddr(m.Data, map[string]string{})
	if !ok {
		return agent.Hint{}
	}
	there := m.Header.Type == unix.RTM_NEWADDR
	ours := m.Header.Pid == k.conn.port() || k.reflexes.isPort(m.Header.Pid)
	var mended []agent.Reflex
	if atOnce && !there && !ours {
		mended = k.gone(a)
	}
	k.mirror.told(a, there)
	if ours {
		return agent.Hint{}
	}
	return agent.Hint{Addrs: []netip.Addr{a.Prefix.Addr()}, Audit: k.addrTraces(m, a), Mended: mended}
}

// toldLink leaves out what bridges say about their ports.
func (k *Host) toldLink(m *syscall.NetlinkMessage) agent.Hint {
	if len(m.Data) < unix.SizeofIfInfomsg || m.Data[0] != unix.AF_UNSPEC {
		return agent.Hint{}
	}
	name, ok := attribute(m.Data[unix.SizeofIfInfomsg:], unix.IFLA_IFNAME)
	if !ok {
		return everything
	}
	device := string(bytes.TrimRight(name, "\x00"))
	return agent.Hint{Links: []string{device}, Audit: k.linkTraces(m, device)}
}

// attribute numbers of RTM_NEWNETCONF (include/uapi/linux/netconf.h).
const (
	netconfIndex      = 1
	netconfForwarding = 2
	netconfRPFilter   = 3
	netconfAll        = -1
	netconfDefault    = -2
)

// toldConf tells which setting was written; the kernel says it for rp_filter
// and forwarding alone (devinet_conf_proc in net/ipv4/devinet.c).
func (k *Host) toldConf(m *syscall.NetlinkMessage, atOnce bool) agent.Hint {
	const header = 4 // struct netconfmsg, aligned
	if len(m.Data) < header || m.Data[0] != unix.AF_INET {
		return agent.Hint{}
	}
	said := numbers(m.Data[header:])
	index, indexed := said[netconfIndex]
	scope, known := k.scope(index)
	if !indexed || !known {
		k.ground.drop()
		return everything
	}
	var hint agent.Hint
	for kind, name := range map[uint16]string{netconfRPFilter: sysctl.RPFilter, netconfForwarding: forwarding} {
		if value, is := said[kind]; is {
			hint = hint.Merge(k.toldSetting(sysctl.Key{Scope: scope, Name: name}, value, atOnce))
		}
	}
	return hint
}

func (k *Host) toldSetting(key sysctl.Key, value int, atOnce bool) agent.Hint {
	ours := k.ground.wrote(key, value)
	k.ground.set(key, value)
	if ours {
		return agent.Hint{}
	}
	hint := agent.Hint{Keys: []sysctl.Key{key}}
	if atOnce {
		hint.Mended = k.written(key, value)
	}
	return hint
}

// isAnnounced reports whether the kernel announces that a setting was written.
func isAnnounced(key sysctl.Key) bool { return key.Name == sysctl.RPFilter || key.Name == forwarding }

func (k *Host) scope(index int) (string, bool) {
	switch index {
	case netconfAll:
		return sysctl.All, true
	case netconfDefault:
		return sysctl.Default, true
	}
	return k.mirror.named(index)
}

// toldRoute looks at what decides on a verdict: a default route, and entries
// of the local table that are not those of an address that comes.
func toldRoute(m *syscall.NetlinkMessage) agent.Hint {
	if len(m.Data) < unix.SizeofRtMsg {
		return agent.Hint{}
	}
	msg := nl.DeserializeRtMsg(m.Data)
	ofAddress := msg.Type == unix.RTN_LOCAL || msg.Type == unix.RTN_BROADCAST
	switch {
	case msg.Table != unix.RT_TABLE_LOCAL:
		return everything
	case m.Header.Type == unix.RTM_NEWROUTE && ofAddress:
		return agent.Hint{}
	}
	dst, ok := attribute(m.Data[unix.SizeofRtMsg:], unix.RTA_DST)
	addr, valid := netip.AddrFromSlice(dst)
	if !ok || !valid || msg.Type == unix.RTN_BROADCAST {
		return agent.Hint{} // goes with an address, which is announced
	}
	return agent.Hint{Addrs: []netip.Addr{addr}}
}

// numbers returns the attributes that are numbers of 32 bits.
func numbers(attrs []byte) map[uint16]int {
	out := map[uint16]int{}
	parsed, err := nl.ParseRouteAttr(attrs)
	if err != nil {
		return out
	}
	for _, a := range parsed {
		if len(a.Value) >= 4 {
			out[a.Attr.Type] = int(int32(nl.NativeEndian().Uint32(a.Value)))
		}
	}
	return out
}

// attribute returns the value of the first attribute of a kind.
func attribute(attrs []byte, kind uint16) ([]byte, bool) {
	parsed, err := nl.ParseRouteAttr(attrs)
	if err != nil {
		return nil, false
	}
	i := slices.IndexFunc(parsed, func(a syscall.NetlinkRouteAttr) bool { return a.Attr.Type&^unix.NLA_F_NESTED == kind })
	if i < 0 {
		return nil, false
	}
	return parsed[i].Value, true
}

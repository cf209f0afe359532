package agenttest

import (
	"net/netip"
	"strconv"
	"strings"

	"rsagent/agent"
	"rsagent/sysctl"
)

// Subject is the inverse of agent.Subject.ID, for tests alone: it lets them
// write what a finding is about as people read it. Where several kinds share a
// form it takes the first: an address is a VIP on tunl0, and else a stray.
// What has no known form is of kind config with the ID as its name.
func Subject(id string) agent.Subject {
	family, rest, _ := strings.Cut(id, "/")
	first, second, _ := strings.Cut(rest, "/")
	switch family {
	case "module":
		return agent.Subject{Kind: agent.KindModule, Name: rest}
	case "link":
		if second == "up" {
			return agent.Subject{Kind: agent.KindLinkUp, Device: first}
		}
		return agent.Subject{Kind: agent.KindLink, Device: rest}
	case "sysctl":
		if key, err := sysctl.ParseKey(rest); err == nil {
			return agent.SubjectOf(key)
		}
	case "addr":
		return addrSubject(first, second)
	case "route":
		return agent.Subject{Kind: agent.KindRoute, VIP: parseIP(rest)}
	case "shadow":
		return agent.Subject{Kind: agent.KindShadow, Device: rest}
	case "gateway":
		return agent.Subject{Kind: agent.KindGateway}
	case "source":
		return agent.Subject{Kind: agent.KindSource, VIP: parseIP(rest)}
	case "senders":
		return agent.Subject{Kind: agent.KindSenders}
	case "persist":
		if key, err := sysctl.ParseKey(rest); err == nil {
			return agent.Subject{Kind: agent.KindPersistKey, Key: key}
		}
		return agent.Subject{Kind: agent.KindPersistFile, Name: rest}
	case "contended":
		return Subject(rest).Conflict()
	case "service":
		return serviceSubject(rest)
	case "probe":
		if rest == "" {
			return agent.Subject{Kind: agent.KindProbeResult}
		}
		return agent.Subject{Kind: agent.KindProbe, VIP: parseIP(rest)}
	case "kernel":
		return agent.Subject{Kind: agent.KindKernel}
	}
	return agent.Subject{Kind: agent.KindConfig, Name: id}
}

func addrSubject(device, rest string) agent.Subject {
	ip, bits, _ := strings.Cut(rest, "/")
	s := agent.Subject{Kind: agent.KindVIP, Device: device, VIP: parseIP(ip)}
	if device != agent.DefaultDevice || bits != "" {
		s.Kind = agent.KindStray
	}
	s.Bits, _ = strconv.Atoi(bits)
	return s
}

func serviceSubject(rest string) agent.Subject {
	host, path, found := strings.Cut(rest, "/")
	if found {
		path = "/" + path
	}
	at, _ := netip.ParseAddrPort(host)
	return agent.Subject{Kind: agent.KindService, VIP: at.Addr(), Port: at.Port(), Name: path}
}

func parseIP(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a
}

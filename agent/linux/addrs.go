package linux

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"rsagent/agent"
)

// addrs returns all IPv4 addresses of the namespace. The library has a call
// for this, but builds so much for each address that a look at 10,000 of them
// takes several times as long.
func (k *Host) addrs() ([]agent.Addr, error) {
	return redump("address dump", func() ([]agent.Addr, error) {
		req := nl.NewNetlinkRequest(unix.RTM_GETADDR, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfAddrmsg(unix.AF_INET))
		var out []agent.Addr
		labels := map[string]string{} // one string for all who share a label
		err := k.conn.dump(req, unix.RTM_NEWADDR, func(m []byte) error {
			if a, ok := parseAddr(m, labels); ok {
				out = append(out, a)
			}
			return nil
		})
		return out, err
	})
}

// forever is the lifetime of an address that has none (INFINITY_LIFE_TIME).
const forever = 0xffffffff

// parseAddr reads an ifaddrmsg and its attributes (rtnetlink(7)). It reports
// false for what is not an IPv4 address.
func parseAddr(m []byte, labels map[string]string) (agent.Addr, bool) {
	if len(m) < unix.SizeofIfAddrmsg || m[0] != unix.AF_INET {
		return agent.Addr{}, false
	}
	a := agent.Addr{Index: int(nl.NativeEndian().Uint32(m[4:])), Scope: int(m[3])}
	var ip, peer netip.Addr
	for rest := m[unix.SizeofIfAddrmsg:]; len(rest) >= unix.SizeofRtAttr; {
		size := int(nl.NativeEndian().Uint16(rest))
		if size < unix.SizeofRtAttr || size > len(rest) {
			break
		}
		value := rest[unix.SizeofRtAttr:size]
		switch kind := nl.NativeEndian().Uint16(rest[2:]); {
		case kind == unix.IFA_LOCAL && len(value) == 4:
			ip = netip.AddrFrom4([4]byte(value))
		case kind == unix.IFA_ADDRESS && len(value) == 4:
			peer = netip.AddrFrom4([4]byte(value))
		case kind == unix.IFA_BROADCAST && len(value) == 4:
			a.Broadcast = netip.AddrFrom4([4]byte(value))
		case kind == unix.IFA_CACHEINFO && len(value) >= 8:
			a.Special = a.Special || nl.NativeEndian().Uint32(value[4:]) != forever
		case kind == unix.IFA_LABEL:
			label := bytes.TrimRight(value, "\x00")
			if _, known := labels[string(label)]; !known {
				labels[string(label)] = string(label)
			}
			a.Label = labels[string(label)]
		}
		rest = rest[min((size+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1), len(rest)):]
	}
	a.Prefix = netip.PrefixFrom(ip, int(m[1]))
	if peer.IsValid() && peer != ip {
		a.Special, a.Peer = true, peer
	}
	return a, a.Prefix.IsValid()
}

func isAddress(a agent.Action) bool {
	switch a.(type) {
	case agent.AddAddr, agent.DelAddr, agent.Relabel:
		return true
	}
	return false
}

// applyAddrs turns the actions into requests, sends them together, and gives
// each action the errors of its requests.
func (k *Host) applyAddrs(actions []agent.Action) []error {
	errs := make([]error, len(actions))
	var requests []*nl.NetlinkRequest
	var owner []int // of each request: the index of its action
	indices := map[string]int{}
	for i, a := range actions {
		if len(labelOf(a)) >= unix.IFNAMSIZ { // or a Relabel would delete and not add
			errs[i] = fmt.Errorf("%s: label: %w", a, unix.ERANGE)
			continue
		}
		index, err := k.cachedIndex(indices, deviceOf(a))
		if err != nil {
			if _, del := a.(agent.DelAddr); !del { // gone with its device is gone
				errs[i] = fmt.Errorf("%s: %w", a, err)
			}
			continue
		}
		for _, r := range addrRequests(a, index) {
			requests = append(requests, r)
			owner = append(owner, i)
		}
	}
	for i, answer := range k.conn.exchange(requests) {
		fault := settled(requests[i], answer.err)
		if fault != nil && errs[owner[i]] == nil {
			errs[owner[i]] = fmt.Errorf("%s: %w", actions[owner[i]], fault)
		}
	}
	return errs
}

func (k *Host) cachedIndex(known map[string]int, device string) (int, error) {
	if index, ok := known[device]; ok {
		return index, nil
	}
	if index, ok := k.ground.index(device); ok {
		return index, nil
	}
	index, err := k.index(device)
	if err == nil {
		known[device] = index
	}
	return index, err
}

func deviceOf(a agent.Action) string {
	switch a := a.(type) {
	case agent.AddAddr:
		return a.Device
	case agent.DelAddr:
		return a.Device
	case agent.Relabel:
		return a.Device
	}
	return ""
}

func labelOf(a agent.Action) string {
	switch a := a.(type) {
	case agent.AddAddr:
		return a.Label
	case agent.Relabel:
		return a.Label
	}
	return ""
}

func addrRequests(a agent.Action, index int) []*nl.NetlinkRequest {
	switch a := a.(type) {
	case agent.AddAddr:
		return []*nl.NetlinkRequest{addRequest(index, a)}
	case agent.DelAddr:
		return []*nl.NetlinkRequest{delRequest(index, a)}
	case agent.Relabel:
		return []*nl.NetlinkRequest{delRequest(index, agent.DelAddr{Prefix: a.Prefix}), addRequest(index, a.Add())}
	}
	return nil
}

func addRequest(index int, a agent.AddAddr) *nl.NetlinkRequest {
	req := addrRequest(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, index, a.Prefix, a.Scope, a.Prefix.Addr())
	if a.Label != "" {
		req.AddData(nl.NewRtAttr(unix.IFA_LABEL, nl.ZeroTerminated(a.Label)))
	}
	if a.Broadcast.IsValid() {
		req.AddData(nl.NewRtAttr(unix.IFA_BROADCAST, a.Broadcast.AsSlice()))
	}
	return req
}

// delRequest names the peer: the kernel deletes an address only if that agrees
// (inet_rtm_deladdr in net/ipv4/devinet.c).
func delRequest(index int, a agent.DelAddr) *nl.NetlinkRequest {
	peer := a.Prefix.Addr()
	if a.Peer.IsValid() {
		peer = a.Peer
	}
	return addrRequest(unix.RTM_DELADDR, 0, index, a.Prefix, 0, peer)
}

func addrRequest(kind, flags, index int, prefix netip.Prefix, scope int, peer netip.Addr) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(kind, unix.NLM_F_REQUEST|flags)
	msg := nl.NewIfAddrmsg(unix.AF_INET)
	msg.Prefixlen = uint8(prefix.Bits())
	msg.Index = uint32(index)
	msg.Scope = uint8(scope)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, prefix.Addr().AsSlice()))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, peer.AsSlice()))
	return req
}

// settled forgives the errors that say that it is so already.
func settled(r *nl.NetlinkRequest, err error) error {
	switch {
	case r.Type == unix.RTM_NEWADDR && errors.Is(err, unix.EEXIST):
		return nil
	case r.Type == unix.RTM_DELADDR && (errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV)):
		return nil
	}
	return err
}

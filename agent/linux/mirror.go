package linux

import (
	"net/netip"
	"slices"
	"sync"

	"rsagent/agent"
)

// A mirror holds the addresses of the last whole reading, kept in step by what
// the kernel announces, so that a focused reading need not ask for ten
// thousand of them. Only the tunnel's are kept in step; as soon as any other
// address or anything unclear is announced the mirror is dropped, and the next
// reading asks.
type mirror struct {
	mu      sync.Mutex
	valid   bool
	tunnel  int                         // index; its addresses are
	vips    map[netip.Addr][]agent.Addr // these
	others  []agent.Addr                // in the kernel's order
	source  netip.Addr                  // of our own traffic
	names   map[int]string              // of devices, by index
	wanted  []netip.Addr                // VIPs, in order
	during  []announced                 // while a whole reading is made
	reading bool                        // one is being made, and nothing was lost meanwhile
}

func (m *mirror) drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.valid, m.reading, m.during = false, false, nil
}

// announced is an address that came or went.
type announced struct {
	agent.Addr
	there bool
}

// begin is called before a whole reading is made.
func (m *mirror) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.valid, m.reading, m.during = false, true, nil
}

// fill takes the reading, unless the mirror was dropped since begin. What was
// announced meanwhile is told after it: telling what is in the reading already
// does no harm.
func (m *mirror) fill(got agent.Observed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	during := m.during
	tunnel, found := got.Tunnel()
	m.valid, m.reading, m.during = found && m.reading, false, nil
	if !m.valid {
		return
	}
	defer func() {
		for _, a := range during {
			m.follow(a)
		}
	}()
	m.tunnel, m.source, m.others = tunnel.Index, got.Source, nil
	m.vips = make(map[netip.Addr][]agent.Addr, len(got.Addrs))
	for _, a := range got.Addrs {
		if a.Index == tunnel.Index {
			m.vips[a.Prefix.Addr()] = append(m.vips[a.Prefix.Addr()], a)
		} else {
			m.others = append(m.others, a)
		}
	}
}

// name keeps the names of devices, for announcements that have only an index.
func (m *mirror) name(links []link) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.names = make(map[int]string, len(links))
	for _, l := range links {
		m.names[l.Index] = l.Name
	}
}

// want keeps which VIPs are wanted; the list is in order.
func (m *mirror) want(vips []netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted = vips
}

// wants reports whether an address is a wanted VIP.
func (m *mirror) wants(addr netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, found := slices.BinarySearchFunc(m.wanted, addr, netip.Addr.Compare)
	return found
}

func (m *mirror) named(index int) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name, ok := m.names[index]
	return name, ok
}

// device returns the name of a device, and whether it is the tunnel.
func (m *mirror) device(index int) (name string, tunnel, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name, ok = m.names[index]
	return name, index == m.tunnel, ok
}

// told follows an announcement that an address is there, or is no more.
func (m *mirror) told(a agent.Addr, there bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.reading {
		m.during = append(m.during, announced{a, there})
		return
	}
	m.follow(announced{a, there})
}

func (m *mirror) follow(a announced) {
	if a.Index != m.tunnel {
		m.valid = false
		return
	}
	if !m.valid {
		return
	}
	vip := a.Prefix.Addr()
	// Addresses that differ in nothing but their peers are several of one prefix.
	same := func(b agent.Addr) bool { return b.Prefix == a.Prefix }
	if a.Special || slices.ContainsFunc(m.vips[vip], func(b agent.Addr) bool { return same(b) && b.Special }) {
		m.valid = false
		return
	}
	list := slices.DeleteFunc(slices.Clone(m.vips[vip]), same)
	if a.there {
		list = append(list, a.Addr)
	}
	if len(list) == 0 {
		delete(m.vips, vip)
		return
	}
	m.vips[vip] = list
}

// addrs returns what a focused reading needs: the VIPs on the tunnel, and all
// addresses elsewhere. It reports false if only the kernel can tell.
func (m *mirror) addrs(vips []netip.Addr, tunnel int) (list []agent.Addr, source netip.Addr, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.valid || m.tunnel != tunnel {
		return nil, source, false
	}
	list = slices.Clone(m.others)
	for _, vip := range vips {
		list = append(list, m.vips[vip]...)
	}
	return list, m.source, true
}

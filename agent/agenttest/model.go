package agenttest

import (
	"net/netip"
	"slices"
	"syscall"

	"rsagent/agent"
)

// maxName is the longest name of a device and of a label (IFNAMSIZ-1).
const maxName = 15

// A host is the model: the network of one namespace, without locks.
type host struct {
	devices []*device // in order of index
	next    int       // index of the next device
	all     conf
	initial conf // net.ipv4.conf.default
	routes  []agent.Gateway
	loaded  bool             // the ipip module
	ban     string           // why it cannot be loaded; "" if it can
	bare    bool             // no fallback device here (net.core.fb_tunnels_only_for_init_net)
	disk    disk             // sysctl.d
	hint    func(agent.Hint) // called on what Linux announces over rtnetlink
}

type device struct {
	agent.Link
	fallback bool    // made by the module itself
	peer     *device // of a veth
	loopback bool
	addrs    []address
	conf     conf
}

type address struct {
	prefix    netip.Prefix
	label     string
	secondary bool
	local     bool // of host scope, as ip(8) gives it to 127.0.0.0/8
}

func newHost(hint func(agent.Hint)) *host {
	h := &host{next: 1, all: newConf(), initial: newConf(), hint: hint}
	_, _ = h.addDevice(device{Link: agent.Link{Name: "lo", MTU: 65536}, loopback: true})
	return h
}

func (h *host) device(name string) (*device, error) {
	i := slices.IndexFunc(h.devices, func(d *device) bool { return d.Name == name })
	if i < 0 {
		return nil, syscall.ENODEV
	}
	return h.devices[i], nil
}

// named resolves a name as ip(8) does, by ioctl: asking for tunl0 makes the
// kernel load the module that goes by the alias netdev-tunl0.
func (h *host) named(name string) (*device, error) {
	d, err := h.device(name)
	if err != nil && name == agent.DefaultDevice && !h.loaded && h.load() == nil {
		return h.device(name)
	}
	return d, err
}

// addDevice registers a device, which inherits the settings of default
// together with the mark of having been written (inetdev_init copies both).
func (h *host) addDevice(d device) (*device, error) {
	if len(d.Name) > maxName || d.Name == "" {
		return nil, syscall.EINVAL
	}
	if _, err := h.device(d.Name); err == nil {
		return nil, syscall.EEXIST
	}
	d.Index, d.conf = h.next, h.initial.clone()
	h.next++
	h.devices = append(h.devices, &d)
	h.hint(linkHint(&d))
	return &d, nil
}

// deleteDevice removes a device with its addresses, settings and routes. The
// module's own device stays, without an error (ip_tunnel_dellink).
func (h *host) deleteDevice(name string) error {
	d, err := h.named(name)
	switch {
	case err != nil:
		return err
	case d.loopback:
		return syscall.EOPNOTSUPP
	case d.fallback:
		return nil
	}
	h.unregister(d)
	if d.peer != nil {
		h.unregister(d.peer)
	}
	return nil
}

func (h *host) unregister(d *device) {
	h.devices = slices.DeleteFunc(h.devices, func(other *device) bool { return other == d })
	h.forgetRoutes(d)
	gone := linkHint(d)
	for _, a := range d.addrs {
		gone.Addrs = append(gone.Addrs, a.prefix.Addr())
	}
	h.hint(gone)
}

func linkHint(d *device) agent.Hint { return agent.Hint{Links: []string{d.Name}} }

func (h *host) setUp(d *device, up bool) {
	if d.Up == up {
		return
	}
	d.Up = up
	if up && d.loopback && len(d.addrs) == 0 {
		_ = h.addAddr(d, address{prefix: netip.MustParsePrefix("127.0.0.1/8"), local: true})
	}
	if !up {
		h.forgetRoutes(d) // addresses stay
	}
	h.hint(linkHint(d))
}

func (h *host) setARP(d *device, arp bool) {
	if !d.loopback && d.ARP != arp {
		d.ARP = arp
		h.hint(linkHint(d))
	}
}

// load is modprobe ipip: it makes the fallback device, down and without
// addresses, or fails as a whole if the device's name is taken.
func (h *host) load() error {
	switch {
	case h.loaded:
		return nil
	case h.ban != "":
		return syscall.EPERM
	}
	if !h.bare {
		tunl0 := device{Link: ipip(agent.DefaultDevice), fallback: true}
		if _, err := h.addDevice(tunl0); err != nil {
			return err
		}
	}
	h.loaded = true
	return nil
}

// unload is modprobe -r ipip: every device of kind ipip goes, whoever made it.
func (h *host) unload() {
	for _, d := range slices.Clone(h.devices) {
		if d.Kind == "ipip" {
			h.unregister(d)
		}
	}
	h.loaded = false
}

func ipip(name string) agent.Link { return agent.Link{Name: name, Kind: "ipip", MTU: 1480} }

// addTunnel is ip link add type ipip, which loads the module by itself.
func (h *host) addTunnel(l agent.Link) error {
	if !h.loaded {
		if err := h.load(); err != nil {
			return syscall.EOPNOTSUPP
		}
	}
	same := func(d *device) bool {
		return d.Kind == "ipip" && (d.External && l.External ||
			!d.External && !l.External && d.Local == l.Local && d.Remote == l.Remote)
	}
	if slices.ContainsFunc(h.devices, same) {
		return syscall.EEXIST
	}
	_, err := h.addDevice(device{Link: l})
	return err
}

// createTunnel is what agent.LoadModule and agent.CreateTunnel come to: ask
// for the device, and judge by whether a fallback device is there.
func (h *host) createTunnel(name string) error {
	err := h.addTunnel(ipip(name))
	if slices.ContainsFunc(h.devices, func(d *device) bool { return d.Fallback() }) {
		return nil
	}
	return err
}

// addVeth makes a pair; the peer is registered first (veth_newlink).
func (h *host) addVeth(name, peer string) error {
	if _, err := h.device(name); err == nil || name == peer {
		return syscall.EEXIST
	}
	p, err := h.addDevice(device{Link: agent.Link{Name: peer, Kind: "veth", MTU: 1500, ARP: true}})
	if err != nil {
		return err
	}
	d, err := h.addDevice(device{Link: agent.Link{Name: name, Kind: "veth", MTU: 1500, ARP: true}, peer: p})
	if err != nil {
		h.unregister(p)
		return err
	}
	p.peer = d
	return nil
}

// rename moves a device to another name. Kernels before 6.2 refuse it while
// the device is up.
func (h *host) rename(d *device, name string) error {
	if d.Up {
		return syscall.EBUSY
	}
	if len(name) > maxName {
		return syscall.EINVAL
	}
	if _, err := h.device(name); err == nil {
		return syscall.EEXIST
	}
	d.Name = name
	d.relabel()
	h.hint(linkHint(d))
	return nil
}

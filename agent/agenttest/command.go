package agenttest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"rsagent/agent"
	"rsagent/sysctl"
	"rsagent/sysctl/persisted"
)

// onlyInit is the setting that keeps fallback devices out of namespaces.
const onlyInit = "net.core.fb_tunnels_only_for_init_net"

var errUsage = errors.New("not a command that the fake knows")

// run carries out one command of ip(8), sysctl(8) or modprobe(8).
func (h *host) run(words []string) error {
	if len(words) > 1 && words[0] == "ip" && words[1] == "-4" {
		words = slices.Delete(slices.Clone(words), 1, 2)
	}
	verb := strings.Join(words[:min(3, len(words))], " ")
	o := parseOptions(words[min(3, len(words)):])
	switch {
	case verb == "ip link add":
		return h.runLinkAdd(o)
	case verb == "ip link del":
		return h.deleteDevice(o.dev())
	case verb == "ip link set":
		return h.runLinkSet(o)
	case strings.HasPrefix(verb, "ip addr "):
		return h.runAddr(words[2], o)
	case strings.HasPrefix(verb, "ip route "):
		return h.runRoute(words[2], o)
	case strings.HasPrefix(verb, "sysctl -w ") && len(words) == 3:
		return h.runSysctl(words[2])
	case verb == "sysctl --system":
		h.replay(persisted.Procps)
		return nil
	case verb == "/lib/systemd/systemd-sysctl":
		h.replay(persisted.Systemd)
		return nil
	case verb == "modprobe ipip":
		// An EEXIST of the module's own, because the device's name is taken, is
		// "loaded already" to modprobe.
		if err := h.load(); !errors.Is(err, syscall.EEXIST) {
			return err
		}
		return nil
	case verb == "modprobe -r ipip":
		h.unload()
		return nil
	}
	return errUsage
}

// options are the words of a command after its verb: pairs, lone words, and
// what stands in front.
type options struct {
	first string
	value map[string]string
	has   map[string]bool
}

func parseOptions(words []string) options {
	o := options{value: map[string]string{}, has: map[string]bool{}}
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch w {
		case "dev", "type", "local", "remote", "label", "name", "via", "arp":
			if i+1 < len(words) {
				i++
				o.value[w] = words[i]
			}
		case "up", "down", "external", "peer":
			o.has[w] = true
		default:
			o.first = w
		}
	}
	return o
}

// dev is the device that is named with or without the word dev.
func (o options) dev() string {
	if d, ok := o.value["dev"]; ok {
		return d
	}
	return o.first
}

func (h *host) runLinkAdd(o options) error {
	switch o.value["type"] {
	case "dummy":
		_, err := h.addDevice(device{Link: agent.Link{Name: o.first, Kind: "dummy", MTU: 1500}})
		return err
	case "veth":
		return h.addVeth(o.first, o.value["name"])
	case "ipip":
		l := ipip(o.first)
		l.Local, l.Remote, l.External = endpoint(o.value["local"]), endpoint(o.value["remote"]), o.has["external"]
		return h.addTunnel(l)
	}
	return errUsage
}

// endpoint is the zero Addr for any.
func endpoint(s string) netip.Addr {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a
}

func (h *host) runLinkSet(o options) error {
	d, err := h.named(o.dev())
	if err != nil {
		return err
	}
	if name, ok := o.value["name"]; ok {
		return h.rename(d, name)
	}
	if arp, ok := o.value["arp"]; ok {
		h.setARP(d, arp == "on")
	}
	if o.has["up"] || o.has["down"] {
		h.setUp(d, o.has["up"])
	}
	return nil
}

func (h *host) runAddr(verb string, o options) error {
	d, err := h.named(o.value["dev"])
	if err != nil {
		return err
	}
	if verb == "flush" {
		h.flush(d)
		return nil
	}
	prefix, err := netip.ParsePrefix(o.first)
	if err != nil {
		return err
	}
	label := o.value["label"]
	switch {
	case verb == "del":
		return h.deleteAddr(d, prefix)
	case verb != "add":
		return errUsage
	case !strings.HasPrefix(label, d.Name) && label != "":
		return fmt.Errorf("\"dev\" (%s) must match \"label\" (%s)", d.Name, label)
	}
	return h.addAddr(d, address{prefix: prefix, label: label, local: prefix.Addr().IsLoopback()})
}

func (h *host) runRoute(verb string, o options) error {
	switch {
	case o.first != "default":
		return errUsage
	case verb == "del":
		if len(h.routes) == 0 {
			return errors.New("no such route")
		}
		h.routes = nil
		return nil
	case verb == "add":
		return h.addRoute(agent.Gateway{Via: endpoint(o.value["via"]), Device: o.value["dev"]})
	}
	return errUsage
}

func (h *host) runSysctl(assignment string) error {
	name, text, _ := strings.Cut(assignment, "=")
	value, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	if name == onlyInit {
		h.bare = value != 0
		return nil
	}
	key, err := sysctl.ParseKey(name)
	if err != nil {
		return err
	}
	return h.write(key, value)
}

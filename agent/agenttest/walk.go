package agenttest

import (
	"fmt"
	"math/rand/v2"
)

// ClassicNetwork makes a real server of the classic network out of a namespace
// that has only a loopback device, with a default route that is no director's.
const ClassicNetwork = `ip link set dev lo up
ip link add eth0 type veth peer name wire
ip link set dev wire up
ip link set dev eth0 up
ip addr add 172.25.84.2/24 dev eth0
ip route add default via 172.25.84.1 dev eth0`

// Walk makes up what people and programs do to a real server behind the
// agent's back. It is deterministic: the same Rand gives the same walk.
type Walk struct {
	Rand *rand.Rand
	VIPs []string // whose loss and straying is played
}

// Step returns one tampering of [Kinds] kinds, as a script for Machine.Run.
// Not every step makes sense in every state: errors are part of the game.
func (w Walk) Step() string { return w.kind(w.Rand.IntN(Kinds)) }

// Kinds is how many kinds of tampering a walk knows.
const Kinds = 34

func (w Walk) kind(n int) string {
	switch {
	case n < 12:
		return w.addresses(n)
	case n < 22:
		return w.links(n - 12)
	case n < 28:
		return w.settings(n - 22)
	}
	return w.surroundings(n - 28)
}

func (w Walk) vip() string { return w.VIPs[w.Rand.IntN(len(w.VIPs))] }

func (w Walk) tunnel() string { return w.pick("tunl0", "tunl0", "tunl0", "cilium_tunl") }

func (w Walk) pick(from ...string) string { return from[w.Rand.IntN(len(from))] }

func (w Walk) addresses(n int) string {
	tunnel := w.tunnel()
	return []string{
		"ip addr del " + w.vip() + "/32 dev " + tunnel,
		"ip addr add " + w.vip() + "/32 dev " + tunnel,
		"ip addr add " + w.vip() + "/24 dev " + tunnel,
		"ip addr add " + w.vip() + "/32 dev " + tunnel + " label " + tunnel + ":web",
		"ip addr add " + w.vip() + w.pick("/32", "/24") + " dev eth0",
		"ip addr add " + w.vip() + "/32 dev eth0 label eth0:rs",
		"ip addr del " + w.vip() + w.pick("/32", "/24") + " dev eth0",
		"ip addr add " + w.vip() + "/32 dev " + w.pick("lo", "dum0", "eth1"),
		"ip -4 addr flush dev " + w.pick(tunnel, tunnel, "dum0", "eth1"),
		"ip addr add 10.1.1.1/32 dev " + w.pick(tunnel, "eth0", "lo"),
		"ip addr add 10.2.2.2/32 dev " + tunnel + " label " + tunnel + ":rs",
		"ip addr add 127.0.0.42/32 dev " + tunnel,
	}[n]
}

func (w Walk) links(n int) string {
	return []string{
		"ip link set dev " + w.tunnel() + " down",
		"ip link set dev " + w.tunnel() + " up",
		"modprobe -r ipip",
		"modprobe ipip",
		"ip link set dev tunl0 down; ip link set dev tunl0 name cilium_tunl; ip link set dev cilium_tunl up",
		"ip link set dev cilium_tunl down; ip link set dev cilium_tunl name tunl0; ip link set dev tunl0 up",
		"modprobe -r ipip; ip link add tunl0 type dummy",
		"ip link del dev tunl0",
		"ip link add dum0 type dummy; ip link set dev dum0 up",
		"ip link del dev dum0",
	}[n]
}

func (w Walk) settings(n int) string {
	name := w.pick("arp_ignore", "arp_announce", "rp_filter")
	value := w.pick("0", "1", "2", "3", "8")
	scope := []string{"all", "default", w.tunnel(), "eth0", "eth1", "lo"}[n]
	return fmt.Sprintf("sysctl -w net.ipv4.conf.%s.%s=%s", scope, name, value)
}

func (w Walk) surroundings(n int) string {
	return []string{
		"ip link add eth1 type veth peer name wire1; ip link set dev eth1 up",
		"ip link del dev eth1",
		"ip link add ipip1 type ipip " + w.pick("remote 172.25.84.4", "local 172.25.84.2", "external") + "; ip link set dev ipip1 up",
		"ip link del dev ipip1",
		w.pick("ip route del default", "ip route add default via 172.25.84.1 dev eth0", "ip link set dev eth0 down; ip link set dev eth0 up"),
		w.pick("sysctl -w net.ipv4.conf.all.forwarding=1", "sysctl -w net.ipv4.conf.all.forwarding=0", "ip link set dev eth0 arp off", "ip link set dev eth0 arp on"),
	}[n]
}

package page

import (
	"fmt"
	"testing"
	"time"

	"rsagent/agent"
	"rsagent/agent/agenttest"
	"rsagent/health"
)

func found(severity agent.Severity, id, want, got string) agent.Finding {
	return agent.Finding{Subject: agenttest.Subject(id), Severity: severity, Want: want, Got: got, Why: "because."}
}

// one is a healthy host with one VIP, no service and no traffic, and a change.
func one(change func(*host)) host {
	h := host{vips: 1, services: web(0)}
	change(&h)
	return h
}

// TestHops: which hop a finding colours. Letters are the states from the
// client to the client: . unknown, g in order, w warning, B critical.
func TestHops(t *testing.T) {
	t.Parallel()
	with := func(f ...agent.Finding) host { return one(func(h *host) { h.findings = f }) }
	failed := func(hop agent.Hop, detail string) map[int]health.ProbeResult {
		return map[int]health.ProbeResult{0: {Outcome: health.Failed, Hop: hop, Detail: detail, Time: noon}}
	}
	for name, c := range map[string]struct {
		host host
		want string
	}{
		"in order":          {one(func(*host) {}), "..ggggg"},
		"module":            {with(found(agent.Critical, "module/ipip", "loaded", "not loaded")), "..gBggg"},
		"tunnel down":       {with(found(agent.Critical, "link/tunl0/up", "up", "down")), "..gBggg"},
		"shadow":            {with(found(agent.Critical, "shadow/tun9", "no tunnel before tunl0", "every packet")), "..gBggg"},
		"shadow, maybe":     {with(found(agent.Warning, "shadow/tun9", "no tunnel before tunl0", "every packet from 10.0.0.1")), "..gwggg"},
		"rp_filter":         {with(rpFilter()), "..gBggg"},
		"rp_filter unread":  {with(found(agent.Unknown, "sysctl/net.ipv4.conf.all.rp_filter", "0", "could not tell")), "..g.ggg"},
		"arp":               {with(found(agent.Critical, "sysctl/net.ipv4.conf.all.arp_ignore", "1", "0")), "..Bgggg"},
		"arp unread":        {with(found(agent.Unknown, "sysctl/net.ipv4.conf.all.arp_ignore", "1", "could not tell")), "...gggg"},
		"persisted arp":     {with(found(agent.Warning, "persist/net.ipv4.conf.all.arp_ignore", "1", "0")), "..wgggg"},
		"VIP on the NIC":    {with(found(agent.Critical, "addr/eth0/172.25.84.100", "absent", "present as 172.25.84.100/24")), "..Bgggg"},
		"VIP on lo as well": {with(found(agent.Warning, "addr/lo/172.25.84.100", "absent", "present as 172.25.84.100/32")), "..ggwgg"},
		"VIP missing":       {one(func(h *host) { h.missing = []int{0} }), "..ggBgg"},
		"verdict":           {with(found(agent.Critical, "route/172.25.84.100", "local", "unicast")), "..ggBgg"},
		"label":             {with(found(agent.Warning, "addr/tunl0/172.25.84.100", "label tunl0:rs", "label tunl0")), "..ggwgg"},
		"senders":           {with(anySender()), ".wggggg"},
		"gateway":           {with(found(agent.Warning, "gateway", "not a director", "default via 10.0.0.1 dev eth1")), "..ggggw"},
		"no gateway":        {one(func(h *host) { h.without = []string{"gateway"} }), "..gggg."},
		"source":            {with(found(agent.Warning, "source/172.25.84.100", "the RIP", "172.25.84.100")), "..ggggw"},
		"config":            {with(found(agent.Critical, "novel", "a", "b")), "..gBggg"},
		"no service":        {one(func(h *host) { h.services = nil }), "..ggg.g"},
		"service down":      {one(func(h *host) { h.services[1].Up = false }), "..gggBg"},
		"service unasked":   {one(func(h *host) { h.services[1].Up, h.services[1].Time = false, time.Time{} }), "..ggg.g"},
		"probe alone":       {one(func(h *host) { h.probes = failed(0, "dropped by a firewall") }), "..gBggg"},
		"probe, refused":    {one(func(h *host) { h.probes = failed(agent.HopService, "nothing listens on 172.25.84.100:80") }), "..gggBg"},
		"probe, explained":  {one(func(h *host) { h.probes, h.missing = failed(agent.HopVIP, "the VIP is missing"), []int{0} }), "..ggBgg"},
		"probe cannot tell": {one(func(h *host) { h.probes = map[int]health.ProbeResult{0: {Detail: "no /dev/net/tun", Time: noon}} }), "..ggwgg"},
		"nothing seen":      {one(func(h *host) { h.unseen = true }), "......."},
		"stale":             {one(func(h *host) { h.age = 10 * time.Second }), "......."},
		"stale and broken":  {one(func(h *host) { h.age, h.findings = 10*time.Second, []agent.Finding{rpFilter()} }), "...B..."},
		"one of many":       {host{vips: 200, missing: []int{7}}, "..ggB.g"},
		"no VIP at all":     {host{}, "..gg..g"},
		"two things":        {with(rpFilter(), found(agent.Warning, "link/tunl0", "a", "b"), anySender()), ".wgBggg"},
	} {
		if got := states(Hops(c.host.snapshot(), Rate{})); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestTrafficShowsTheSenders: packets that the agent's own probes explain do not.
func TestTrafficShowsTheSenders(t *testing.T) {
	t.Parallel()
	s := one(func(*host) {}).snapshot()
	for packets, want := range map[float64]string{0: "..ggggg", 2: "..ggggg", 3: "ggggggg"} {
		if got := states(Hops(s, Rate{Packets: packets, OK: true})); got != want {
			t.Errorf("%v packets/s: %s, want %s", packets, got, want)
		}
	}
}

func TestAHopTellsTheWorstAndCountsTheRest(t *testing.T) {
	t.Parallel()
	h := host{vips: 40, missing: []int{1, 2, 3, 4, 5, 6, 7, 8, 9}}
	h.findings = []agent.Finding{found(agent.Warning, "addr/tunl0/10.9.9.9", "absent", "present")}
	got := Hops(h.snapshot(), Rate{})[agent.HopVIP]
	if len(got.Tell) != most || got.More != 10-most || got.Tell[0].State != Bad || got.Tell[0].Fix == "" {
		t.Errorf("%+v", got)
	}
	if got.Note != "9 of 40 not in place" || !got.First {
		t.Errorf("%+v", got)
	}
}

// TestTheLineEndsWhereNoPacketPasses: at a broken hop, but not if other VIPs
// still get theirs, and not for what leaks without stopping anything.
func TestTheLineEndsWhereNoPacketPasses(t *testing.T) {
	t.Parallel()
	cut := func(h host) string {
		out := ""
		for _, hop := range Hops(h.snapshot(), Rate{}) {
			out += map[bool]string{true: "x", false: "-"}[hop.Cut]
		}
		return out
	}
	leak := found(agent.Critical, "sysctl/net.ipv4.conf.all.arp_ignore", "1", "0")
	for want, h := range map[string]host{
		"---xxxx":  one(func(h *host) { h.findings = []agent.Finding{rpFilter()} }),
		"----xxx":  one(func(h *host) { h.missing = []int{0} }),
		"-------":  {vips: 3, missing: []int{0}},
		"------- ": one(func(h *host) { h.findings = []agent.Finding{leak} }),
	} {
		if got := cut(h); got != want[:agent.Hops] {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestHopsNameWhatIsThere(t *testing.T) {
	t.Parallel()
	hops := Hops(one(func(*host) {}).snapshot(), Rate{Packets: 1234, OK: true})
	var got string
	for _, h := range hops {
		got += fmt.Sprintf("%s %s: %s; ", h.Kind, h.Name, h.Note)
	}
	want := "client request: arrives; director IPVS: sends 1.2 kpackets/s; NIC eth0: silent on ARP for the VIP; " +
		"tunnel tunl0: up, any to any, mtu 1480; VIP 172.25.84.100: in place, proven by a packet; " +
		"service 2 services: all answer; client direct reply: via 172.25.84.1 dev eth0; "
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

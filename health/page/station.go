package page

import (
	"fmt"
	"net/netip"
	"strings"

	"rsagent/agent"
	"rsagent/health"
)

// ownProbes is how many packets a second and VIP the agent's own probe may
// put through the tunnel at most. What is not more shows no client.
const ownProbes = 2

// senders judges client and director by what they send.
func (w *walk) senders(hops []Hop, now Rate) {
	client, director := &hops[agent.HopClient], &hops[agent.HopDirector]
	client.Name, director.Name = "request", "IPVS"
	floor := 0.0
	if w.s.Probing {
		floor = ownProbes * float64(len(w.s.Verdict.VIPs))
	}
	switch {
	case !now.OK:
		client.Note, director.Note = "the director sees it", "traffic is not measured"
	case now.Packets > floor:
		w.good(client, "arrives")
		w.good(director, "sends "+scaled(now.Packets, "packets/s"))
		if director.Note == "" {
			director.Note = "sends " + scaled(now.Packets, "packets/s")
		}
	default:
		client.Note, director.Note = "the director sees it", "sends nothing now"
	}
}

// nic needs the ARP settings to be known and good.
func (w *walk) nic(h *Hop) {
	h.Name = "any"
	for _, f := range append(w.held[agent.HopReply], w.told[agent.HopReply]...) {
		if f.Kind == agent.KindGateway && f.Device != "" {
			h.Name = f.Device
		}
	}
	if len(w.held[agent.HopNIC]) > 0 {
		w.good(h, "silent on ARP for the VIP")
	}
}

func (w *walk) tunnel(h *Hop) {
	h.Name = agent.DefaultDevice
	for _, f := range append(w.held[agent.HopTunnel], w.told[agent.HopTunnel]...) {
		if f.Kind == agent.KindLink || f.Kind == agent.KindLinkUp {
			h.Name = f.Device
		}
	}
	note := "unwraps the packet"
	for _, f := range w.held[agent.HopTunnel] {
		if f.Kind == agent.KindLink && f.Row != nil {
			note = f.Row.Got
		}
	}
	if len(w.held[agent.HopTunnel]) > 0 {
		w.good(h, note)
	}
}

// vip counts the addresses that are in place.
func (w *walk) vip(h *Hop) {
	vips := w.s.Verdict.VIPs
	h.Name = plural(len(vips), "VIP")
	if len(vips) == 1 {
		h.Name = vips[0].VIP.String()
	}
	here := map[netip.Addr]bool{}
	for _, f := range append(w.held[agent.HopVIP], w.told[agent.HopVIP]...) {
		if f.Kind == agent.KindVIP && f.Severity < agent.Unknown {
			here[f.VIP] = true
		}
	}
	present := 0
	for _, v := range vips {
		if here[v.VIP] {
			present++
		}
	}
	note := "in place"
	if len(vips) > 1 {
		note = "all in place"
	}
	switch {
	case w.s.Seen.IsZero() || len(vips) == 0:
		return
	case present < len(vips):
		h.Note = fmt.Sprintf("%s of %s not in place", count(len(vips)-present), count(len(vips)))
		if len(vips) == 1 {
			h.Note = "not in place"
		}
		return
	}
	w.good(h, note+w.proof())
}

// proof says what the probes have shown, if they all passed.
func (w *walk) proof() string {
	if !w.s.Probing {
		return ""
	}
	for _, v := range w.s.Verdict.VIPs {
		if r, ok := w.s.Probes[v.VIP]; !ok || r.Outcome != health.Passed {
			return ""
		}
	}
	return ", proven by a packet"
}

func (w *walk) service(h *Hop) {
	n := len(w.s.Services)
	up, asked := 0, 0
	for _, r := range w.s.Services {
		if !r.Time.IsZero() {
			asked++
		}
		if r.Up {
			up++
		}
	}
	h.Name = plural(n, "service")
	if n == 1 {
		h.Name = "port " + fmt.Sprint(w.s.Services[0].Port)
	}
	switch {
	case n == 0:
		h.Name, h.Note = "any", "none is checked"
	case asked < n && up == asked:
		h.Note = fmt.Sprintf("%s of %s not asked yet", count(n-asked), count(n))
	case up == n && n == 1:
		w.good(h, "answers")
	case up == n:
		w.good(h, "all answer")
	default:
		h.Note = fmt.Sprintf("%s of %s not answering", count(n-up), count(n))
		if n == 1 {
			h.Note = "does not answer"
		}
	}
}

// answer is the way back: directly, not through the director.
func (w *walk) answer(h *Hop) {
	h.Name, h.Note = "direct reply", "not observed from here"
	for _, f := range w.held[agent.HopReply] {
		if f.Kind == agent.KindGateway {
			w.good(h, strings.TrimPrefix(f.Got, "default "))
		}
	}
	if w.worst[agent.HopReply] != agent.OK {
		h.Note = ""
	}
}

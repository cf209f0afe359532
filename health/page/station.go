package page

import (
	"fmt"
	"strings"

	"rsagent/agent"
	"rsagent/health"
)

// ownProbes is how many packets a second and VIP the agent's own probe may
// put through the tunnel at most. What is not more shows no client.
const ownProbes = 2

// senders judges client and director by what they send.
func (w *walk) senders(hops []Hop, now Rate) {
	client, director := &hops[hopClient], &hops[hopDirector]
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
	for _, f := range append(w.held[hopAnswer], w.told[hopAnswer]...) {
		if _, dev, ok := strings.Cut(f.Got, " dev "); ok && f.ID == "gateway" {
			h.Name, _, _ = strings.Cut(dev, " ")
		}
	}
	if len(w.held[hopNIC]) > 0 {
		w.good(h, "silent on ARP for the VIP")
	}
}

func (w *walk) tunnel(h *Hop) {
	h.Name = agent.DefaultDevice
	for _, f := range append(w.held[hopTunnel], w.told[hopTunnel]...) {
		if dev, ok := strings.CutPrefix(f.ID, "link/"); ok {
			h.Name, _, _ = strings.Cut(dev, "/")
		}
	}
	note := "unwraps the packet"
	for _, f := range w.held[hopTunnel] {
		if f.Row != nil && f.Row.Subject == "link" {
			note = f.Row.Got
		}
	}
	if len(w.held[hopTunnel]) > 0 {
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
	here := map[string]bool{}
	for _, f := range append(w.held[hopVIP], w.told[hopVIP]...) {
		rest, is := strings.CutPrefix(f.ID, "addr/")
		if is && f.Got != "absent" && f.Want != "absent" {
			_, addr, _ := strings.Cut(rest, "/")
			here[addr] = true
		}
	}
	present := 0
	for _, v := range vips {
		if here[v.VIP.String()] {
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
	for _, f := range w.held[hopAnswer] {
		if f.ID == "gateway" {
			w.good(h, strings.TrimPrefix(f.Got, "default "))
		}
	}
	if w.worst[hopAnswer] != agent.OK {
		h.Note = ""
	}
}

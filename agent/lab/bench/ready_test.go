//go:build bench

package bench

import (
	"context"
	"fmt"
	"time"

	"rsagent/agent/lab"
)

const (
	readyRounds = 3
	readyLength = 3 * time.Second
)

type readiness struct {
	url  string
	rate []float64
	p99  []time.Duration

	requests, refused int
}

// readyRows ask for readiness and for a file by turns: 50 clients on another host.
func readyRows(ctx context.Context, n *lab.Network) (Section, error) {
	var s Section
	for _, module := range []string{"ipip", "tun"} {
		if _, err := n.RS1.Run(ctx, "modprobe", module); err != nil {
			return s, err
		}
	}
	var sides []*readiness
	for h, size := range map[*lab.Host]int{n.RS1: 50, n.RS2: 10000} {
		if _, err := runAgent(ctx, h, configOf(vips(size), "probe: {interval: 0}", "interval: 10s")); err != nil {
			return s, err
		}
	}
	for _, h := range []*lab.Host{n.RS1, n.RS2} {
		url := "http://" + h.Addr.String() + ":9811/readyz"
		// One that is not ready answers all the same, and said says so.
		_ = eventually(url+" is 200", func() bool { _, err := h.Get(ctx, url); return err == nil })
		sides = append(sides, &readiness{url: url})
	}
	if err := runNginx(ctx, n.Director); err != nil {
		return s, err
	}
	file := &readiness{url: "http://" + lab.DirectorAddr + ":" + nginxPort + "/ok"}
	for range readyRounds {
		for _, side := range append(sides, file) {
			l, err := load(ctx, n.Client, 50, side.url, readyLength)
			if err != nil {
				return s, err
			}
			side.requests, side.refused = side.requests+l.Requests, side.refused+l.Refused
			side.rate, side.p99 = append(side.rate, l.PerSecond), append(side.p99, l.P99)
		}
	}
	const reference = "nginx, a two-byte file"
	for i, name := range []string{"50 VIPs", "10,000 VIPs"} {
		name += sides[i].said()
		s.Rows = append(s.Rows,
			Row{What: "/readyz with " + name, Unit: PerSecond, Ours: MedianOf("", sides[i].rate), Reference: MedianOf(reference, file.rate), Goal: RatioAtLeast(0.5)},
			Row{What: "/readyz with " + name + ", p99", Ours: Median("", sides[i].p99), Reference: Median(reference, file.p99)})
	}
	s.Note = "`wrk -t1 -c50` for three seconds each from another host, connections that last; nginx has two workers. The agents run with `interval: 10s`, which leaves an emulated machine time to look at 10,000 VIPs, and without the probe; all three servers share the machine with wrk."
	return s, nil
}

// said is how many answers were that the host is not ready: under load an agent may not get to look in time.
func (r *readiness) said() string {
	if r.refused == 0 {
		return ""
	}
	return fmt.Sprintf(" (%.0f %% of the answers 503)", 100*float64(r.refused)/float64(r.requests))
}

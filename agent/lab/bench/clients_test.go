//go:build bench

package bench

import (
	"context"
	"time"

	"rsagent/agent/lab"
)

const (
	clientLives   = 12
	clientSamples = 5
)

// clientRows delete VIPs while 50 clients are at /readyz, at nginx instead, and at nothing, by turns.
func clientRows(ctx context.Context, n *lab.Network) (Section, error) {
	var s Section
	if _, err := n.RS1.Run(ctx, "modprobe", "ipip"); err != nil {
		return s, err
	}
	if err := runNginx(ctx, n.RS1); err != nil {
		return s, err
	}
	urls := []string{"", "http://" + lab.RS1Addr + ":9811/readyz", "http://" + lab.RS1Addr + ":" + nginxPort + "/ok"}
	samples := make([][]time.Duration, len(urls))
	for range clientLives {
		a, err := runAgent(ctx, n.RS1, configOf(vips(16)))
		if err != nil {
			return s, err
		}
		for i, url := range urls {
			took, err := repairsUnder(ctx, n, url, i*clientSamples)
			if err != nil {
				return s, err
			}
			samples[i] = append(samples[i], took...)
		}
		if err := a.end(); err != nil {
			return s, err
		}
	}
	alone, asked, nginx := samples[0], samples[1], samples[2]
	const what = "deleted VIP back under 50 clients on /readyz, p50"
	s.Rows = []Row{
		{What: what, Ours: Median("", asked), Reference: Median("50 clients on nginx instead", nginx), Goal: RatioAtMost(1.1)},
		{What: what, Ours: Median("", asked), Reference: Median("no clients", alone)},
	}
	s.Note = "The clients (`wrk -t1 -c50`, at full speed) take all of the machine's processors, so the reference that tells is the same load on nginx, on the same host. A tenth is left for noise."
	return s, nil
}

// repairsUnder deletes VIPs from the given one on while clients ask for url.
func repairsUnder(ctx context.Context, n *lab.Network, url string, from int) ([]time.Duration, error) {
	if url != "" {
		clients, err := n.Client.Start(n.Client.Command(ctx, "wrk", "-t1", "-c50", "-d60", url))
		if err != nil {
			return nil, err
		}
		defer clients.Stop()
	}
	time.Sleep(time.Second) // until all are connected
	o, err := observe(n.RS1)
	if err != nil {
		return nil, err
	}
	defer o.close()
	var took []time.Duration
	for _, vip := range vips(16)[from : from+clientSamples] {
		time.Sleep(pace)
		t, err := o.deleteVIP(vip, o.index)
		if err != nil {
			return nil, err
		}
		took = append(took, t)
	}
	return took, nil
}

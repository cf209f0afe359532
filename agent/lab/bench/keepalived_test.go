//go:build bench

package bench

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"rsagent/agent/lab"
)

// A keepalivedProcess is a keepalived that is the master of its VIPs.
type keepalivedProcess struct {
	*lab.Daemon
	pid   int
	index int // of the device with its VIPs
}

// runKeepalived starts keepalived with the VIPs on eth0, as the only router of its number, and waits until it has put them there.
func runKeepalived(ctx context.Context, h *lab.Host, list []netip.Addr, router int) (*keepalivedProcess, error) {
	dir, err := os.MkdirTemp("", "keepalived")
	if err != nil {
		return nil, err
	}
	var config strings.Builder
	fmt.Fprintf(&config, "vrrp_instance bench {\n state MASTER\n interface eth0\n virtual_router_id %d\n priority 200\n advert_int 1\n", router)
	// An advertisement has room for about 90 addresses; the others are excluded from it, and handled alike.
	for i, vip := range list {
		switch i {
		case 0:
			config.WriteString(" virtual_ipaddress {\n")
		case 80:
			config.WriteString(" }\n virtual_ipaddress_excluded {\n")
		}
		fmt.Fprintf(&config, "  %s/32 dev eth0\n", vip)
	}
	config.WriteString(" }\n}\n")
	path := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(path, []byte(config.String()), 0o644); err != nil {
		return nil, err
	}
	cmd := h.Command(ctx, "keepalived", "--vrrp", "--dont-fork", "--log-console", "--no-syslog", "--use-file="+path,
		"--pid="+dir+"/k.pid", "--vrrp_pid="+dir+"/v.pid")
	d, err := h.Start(cmd)
	if err != nil {
		return nil, err
	}
	k := &keepalivedProcess{Daemon: d, pid: cmd.Process.Pid}
	last := list[len(list)-1].String() + "/32"
	err = eventually("keepalived has its VIPs", func() bool {
		out, err := h.Run(ctx, "ip", "-o", "-4", "addr", "show", "dev", "eth0")
		k.index, _ = parseIndex(out)
		return err == nil && strings.Contains(out, last)
	})
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, d.Output())
	}
	return k, nil
}

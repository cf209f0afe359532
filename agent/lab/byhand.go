package lab

import (
	"context"
	"errors"
	"strings"
)

// DirectByHand makes the director what an administrator makes of it without rsagent: the VIP on its NIC, and an IPVS
// service on port 80 of the VIP, round robin, that tunnels to both real servers. It needs ipvsadm.
func (n *Network) DirectByHand(ctx context.Context) error {
	service := VIP + ":80"
	return n.Director.runAll(ctx,
		"ip addr add "+VIP+"/32 dev eth0",
		"ipvsadm -A -t "+service+" -s rr",
		"ipvsadm -a -t "+service+" -r "+RS1Addr+" -i",
		"ipvsadm -a -t "+service+" -r "+RS2Addr+" -i",
	)
}

// ServeByHand does to both real servers what the classic recipe says, in the order that is safe: the settings first,
// then the device, and the VIP last. rsagent is there to make this unnecessary.
func (n *Network) ServeByHand(ctx context.Context) error {
	if _, err := runCommand(ctx, nil, "modprobe", "ipip"); err != nil {
		return err
	}
	var errs []error
	for _, h := range n.RealServers() {
		errs = append(errs, h.runAll(ctx,
			"sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.tunl0.arp_ignore=1",
			"sysctl -qw net.ipv4.conf.all.arp_announce=2 net.ipv4.conf.tunl0.arp_announce=2",
			"sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.tunl0.rp_filter=0",
			"ip link set dev tunl0 up",
			"ip addr add "+VIP+"/32 dev tunl0",
		))
	}
	return errors.Join(errs...)
}

// runAll runs commands, words separated by spaces, up to the first that fails.
func (h *Host) runAll(ctx context.Context, commands ...string) error {
	for _, command := range commands {
		words := strings.Fields(command)
		if _, err := h.Run(ctx, words[0], words[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// Package lab builds the classic LVS/TUN network out of network namespaces, for tests and demonstrations that need
// real packets: a client, a director and two real servers on one segment.
//
//	client .84   dir .4   rs1 .2   rs2 .3      172.25.84.0/24, each with one NIC, eth0
//	     |          |        |        |
//	     +----------+---br0--+--------+        namespace sw
//
// It needs root and a kernel with veth and bridge, and touches nothing outside the namespaces that it makes. It is
// made for the machine that cmd/rslab boots, and works on any host whose kernel has the modules. It knows nothing of
// rsagent: what is built and measured here is done with iproute2, ipvsadm and plain files.
package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
)

// The addresses of the network. New configures all but the VIP.
const (
	Prefix       = "172.25.84.0/24"
	ClientAddr   = "172.25.84.84"
	DirectorAddr = "172.25.84.4"
	RS1Addr      = "172.25.84.2"
	RS2Addr      = "172.25.84.3"
	VIP          = "172.25.84.100"
)

// What the web servers of the real servers answer.
const (
	RS1Site = "www.westos.org"
	RS2Site = "bbs.westos.org"
)

// switchName is the namespace of the segment itself.
const switchName = "sw"

// Network is the running network.
type Network struct {
	Client, Director, RS1, RS2 *Host

	claim *claim
	close func() error // set by New, runs once

	mu      sync.Mutex
	closers []func() error // in the order in which their things were started
}

// Option changes what New builds.
type Option func(*options)

type options struct{ web bool }

// WithWebServers starts a web server on each real server, on port 80 of every address: RS1Site and RS2Site.
func WithWebServers() Option { return func(o *options) { o.web = true } }

// New builds the network. There can be one at a time: it fails, and changes nothing, when another process has one or
// when a namespace of one of its names exists that no network of this package left behind. What a killed process left
// behind is removed first. On any error it removes what it had made.
func New(ctx context.Context, opts ...Option) (*Network, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("lab: network namespaces need root")
	}
	c, err := claimNames(ctx, names())
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	n := &Network{claim: c}
	n.close = sync.OnceValue(n.shutdown)
	if err := n.build(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("lab: %w", err), n.Close())
	}
	return n, nil
}

func names() []string { return []string{switchName, "client", "dir", "rs1", "rs2"} }

// Hosts returns the client, the director and the real servers.
func (n *Network) Hosts() []*Host { return []*Host{n.Client, n.Director, n.RS1, n.RS2} }

// RealServers returns RS1 and RS2.
func (n *Network) RealServers() []*Host { return []*Host{n.RS1, n.RS2} }

// Close stops every daemon and server, the last one first, and deletes exactly the namespaces that New made. Further
// calls return what the first one did.
func (n *Network) Close() error { return n.close() }

func (n *Network) shutdown() error {
	n.mu.Lock()
	closers := n.closers
	n.closers = nil
	n.mu.Unlock()
	var errs []error
	for i := range closers {
		errs = append(errs, closers[len(closers)-1-i]())
	}
	return errors.Join(append(errs, n.claim.release())...)
}

// atClose has f called by Close.
func (n *Network) atClose(f func() error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closers = append(n.closers, f)
}

func (n *Network) build(ctx context.Context, o options) error {
	n.Client = newHost(n, "client", ClientAddr)
	n.Director = newHost(n, "dir", DirectorAddr)
	n.RS1 = newHost(n, "rs1", RS1Addr)
	n.RS2 = newHost(n, "rs2", RS2Addr)
	if err := n.wire(ctx); err != nil {
		return err
	}
	for _, h := range n.Hosts() {
		if err := h.open(); err != nil {
			return err
		}
	}
	if !o.web {
		return nil
	}
	return errors.Join(n.RS1.Serve(RS1Site), n.RS2.Serve(RS2Site))
}

// wire makes the namespaces, the bridge and a cable from it to each host.
func (n *Network) wire(ctx context.Context) error {
	if err := n.claim.make(ctx); err != nil {
		return err
	}
	bridge := []string{"link set dev lo up", "link add name br0 type bridge", "link set dev br0 up"}
	var cables []string
	for _, h := range n.Hosts() {
		cables = append(cables, fmt.Sprintf("link add name eth0 netns %[1]s type veth peer name %[1]s netns %[2]s", h.Name, switchName))
		bridge = append(bridge, fmt.Sprintf("link set dev %s master br0 up", h.Name))
	}
	if err := ipBatch(ctx, "", cables); err != nil {
		return err
	}
	if err := ipBatch(ctx, switchName, bridge); err != nil {
		return err
	}
	for _, h := range n.Hosts() {
		address := fmt.Sprintf("addr add %s/%d brd + dev eth0", h.Addr, netip.MustParsePrefix(Prefix).Bits())
		if err := ipBatch(ctx, h.Name, []string{"link set dev lo up", address, "link set dev eth0 up"}); err != nil {
			return err
		}
	}
	return nil
}

// ipBatch runs ip commands in a namespace, or in this one if it is "", up to the first that fails.
func ipBatch(ctx context.Context, namespace string, commands []string) error {
	args := []string{"-batch", "-"}
	if namespace != "" {
		args = append([]string{"-n", namespace}, args...)
	}
	_, err := runCommand(ctx, strings.NewReader(strings.Join(commands, "\n")+"\n"), "ip", args...)
	return err
}

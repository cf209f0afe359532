// Package linux is the only code of rsagent that changes a host: it observes
// and applies for [agent.Loop], over netlink and /proc/sys, in the network
// namespace in which it was opened. It decides nothing.
//
// It also keeps what has to outlive a process: the baseline in the state
// directory ([FileStore]) and the lock beside it ([Lock]).
package linux

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"rsagent/agent"
	"rsagent/agent/audit"
	"rsagent/sysctl"
)

// timeout bounds the wait for each answer, so that a kernel that says nothing
// becomes an error. What is spent inside a system call, waiting for another
// user of the kernel's tables, is bounded by nobody.
const timeout = 5 * time.Second

// Host implements agent.Kernel for Linux. It is safe for concurrent use, one
// call at a time being carried out.
type Host struct {
	mu         sync.Mutex
	handle     *netlink.Handle
	conn       *conn // for what the library has no call for
	settings   settings
	settle     time.Duration
	replay     *replays
	box        *agent.Mailbox // of Watch; nil before
	news       *news          // nil while nothing is heard
	mirror     mirror
	ground     ground
	reflexes   reflexes
	onStatus   func(AuditStatus)                // nil: no audit
	requesters atomic.Pointer[audit.Requesters] // nil: it is not known who changes addresses
	authors    paced                            // fetches who wrote what was announced
}

// Option changes a default of New.
type Option func(*Host)

// Settle makes Apply wait, after the tunnel has appeared, until udev has seen
// it, but no longer than d: udev replays sysctl.d onto each new device
// (99-systemd.rules), and what is written before that is overwritten.
func Settle(d time.Duration) Option { return func(k *Host) { k.settle = d } }

// New opens the network namespace of the calling thread, sockets and settings,
// and stays in it. Its methods are to be called in that namespace too: what is
// left to other programs (modprobe) is done in that of the caller. It needs no
// privilege; applying does.
func New(options ...Option) (*Host, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	if err := handle.SetSocketTimeout(timeout); err != nil {
		handle.Close()
		return nil, fmt.Errorf("netlink: %w", err)
	}
	conn, err := dial()
	if err != nil {
		handle.Close()
		return nil, fmt.Errorf("netlink: %w", err)
	}
	k := &Host{handle: handle, conn: conn, settings: settings{tree: sysctl.Open("")}, replay: &replays{root: "/", known: hostNetwork()}}
	for _, o := range options {
		o(k)
	}
	return k, nil
}

// Close releases the sockets.
func (k *Host) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.handle.Close()
	k.conn.close()
	_ = k.settings.close()
	k.reflexes.close()
}

var _ agent.Kernel = (*Host)(nil)

// Apply carries out actions of one phase. The errors satisfy errors.Is for the
// kernel's errno.
func (k *Host) Apply(ctx context.Context, actions []agent.Action) []error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(actions) > 0 && isAddress(actions[0]) {
		return k.applyAddrs(actions)
	}
	errs := make([]error, len(actions))
	for i, a := range actions {
		if set, ok := a.(agent.SetSysctl); ok {
			errs[i] = k.set(set)
			continue
		}
		errs[i] = k.applyOne(ctx, a)
		k.ground.drop()
	}
	return errs
}

// set writes a setting. What it is afterwards is for the next reading to say:
// somebody else may have been quicker.
func (k *Host) set(a agent.SetSysctl) error {
	if isAnnounced(a.Key) {
		k.ground.write(a.Key, a.Value)
	}
	err := k.settings.write(a.Key, a.Value)
	k.ground.suspect(a.Key)
	return err
}

func (k *Host) applyOne(ctx context.Context, a agent.Action) error {
	switch a := a.(type) {
	case agent.LoadModule:
		return k.loadModule(ctx)
	case agent.CreateTunnel:
		err := k.createTunnel(ctx, a.Device)
		if errors.Is(err, unix.EOPNOTSUPP) { // the module was just being unloaded
			return k.loadModule(ctx)
		}
		return err
	case agent.Persist:
		return k.replay.write(a)
	case agent.Unpersist:
		return k.replay.clear(a)
	case agent.RestoreSysctl:
		return k.settings.write(a.Key, a.Value)
	case agent.LinkUp:
		return k.setLink(a, a.Device, k.handle.LinkSetUp)
	case agent.LinkDown:
		return k.setLink(a, a.Device, k.handle.LinkSetDown)
	case agent.DeleteTunnel:
		return k.setLink(a, a.Device, k.handle.LinkDel)
	case agent.UnloadModule:
		return modprobe(ctx, "-r", "ipip")
	}
	return fmt.Errorf("%s: not an action of this kernel", a)
}

// setLink looks the device up anew, since it may have been made anew.
func (k *Host) setLink(a agent.Action, name string, set func(netlink.Link) error) error {
	index, err := k.index(name)
	if err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	if err := set(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: name, Index: index}}); err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	return nil
}

// index resolves a name by a dump: a look-up by name can make the kernel load
// a module for it (alias netdev-tunl0).
func (k *Host) index(name string) (int, error) {
	links, err := k.links()
	if err != nil {
		return 0, err
	}
	for _, l := range links {
		if l.Name == name {
			return l.Index, nil
		}
	}
	return 0, unix.ENODEV
}

package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// How many requests are remembered, and how many devices that were taken down.
const (
	askers  = 4096
	downers = 256
)

// Who is a process, at the moment when it did something.
type Who struct {
	Time  time.Time
	PID   int    // in the host's PID namespace
	UID   int    // its real user ID, in the host's user namespace
	Comm  string // the name of its thread, at most 15 bytes
	NetNS uint64 // inode of the network namespace in which it was done
}

// Requests remember who changes addresses and links. They are safe for
// concurrent use.
type Requests struct {
	mu      sync.Mutex
	objects *ebpf.Collection
	links   []link.Link
	closed  bool
}

// OpenRequests begins to listen to what is done in the network namespace with
// that inode. It changes nothing on the host that outlives the process. It
// demands nothing, but needs CAP_BPF and CAP_PERFMON and a kernel that knows
// its own types (CONFIG_DEBUG_INFO_BTF); errors.Is(err, os.ErrPermission) holds
// if it was a privilege that was missing.
func OpenRequests(netns uint64) (*Requests, error) {
	// See openBPF: reading the kernel's types leaves garbage.
	defer debug.FreeOSMemory()
	var refused []error
	for _, way := range []string{"fentry", "kprobe"} { // not every architecture had the first one from the start
		r, err := openRequests(way, netns)
		if err == nil {
			return r, nil
		}
		refused = append(refused, fmt.Errorf("%s: %w", way, err))
	}
	return nil, errors.Join(refused...)
}

func openRequests(name string, netns uint64) (*Requests, error) {
	way := tapWays()[name]
	l, err := way.layout()
	if err != nil {
		return nil, err
	}
	r := &Requests{}
	taps := []tap{asking(), downing()}
	err = withMemlock(func() (err error) {
		r.objects, err = ebpf.NewCollection(way.spec(l, uint32(netns), taps))
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, t := range taps {
		l, err := way.attachTo(t.function, r.objects.Programs[t.program])
		if err != nil {
			_ = r.Close()
			return nil, fmt.Errorf("attach: %w", err)
		}
		r.links = append(r.links, l)
	}
	return r, nil
}

func (w tapWay) attachTo(function string, p *ebpf.Program) (link.Link, error) {
	if w.kind == ebpf.Tracing {
		return link.AttachTracing(link.TracingOptions{Program: p})
	}
	return link.Kprobe(function, p, nil)
}

// Who tells whose request it was that an announcement refers to, by the port
// and the sequence number in its header; so it is known, and not guessed. It
// reports false for what nobody asked for over rtnetlink (port 0), for what
// was asked before OpenRequests or too long ago (4096 later requests), and
// after Close. It does not block.
func (r *Requests) Who(port, seq uint32) (Who, bool) {
	if port == 0 {
		return Who{}, false
	}
	return r.look(asking().places, keyOfPair(port, seq), false)
}

// Down tells who took a device down last, over rtnetlink or by ioctl, if that
// was since OpenRequests and Down has not told of it yet. It reports false if
// the kernel did it of its own accord, and after Close. It does not block.
func (r *Requests) Down(index uint32) (Who, bool) {
	return r.look(downing().places, keyOfPair(index, 0), true)
}

// look looks who is remembered under a key.
func (r *Requests) look(places string, key []byte, forget bool) (Who, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	raw := make([]byte, whoLen)
	if r.closed || r.objects.Maps[places].Lookup(key, raw) != nil {
		return Who{}, false
	}
	if forget {
		_ = r.objects.Maps[places].Delete(key) // gone already is gone
	}
	return decodeWho(raw, clock), true
}

// keyOfPair is a key as the programs make it.
func keyOfPair(first, second uint32) []byte {
	order := binary.NativeEndian
	return order.AppendUint32(order.AppendUint32(nil, first), second)
}

// Close stops listening and leaves nothing behind in the kernel.
func (r *Requests) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	var errs []error
	for _, l := range r.links {
		errs = append(errs, l.Close())
	}
	r.objects.Close()
	return errors.Join(errs...)
}

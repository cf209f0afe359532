package audit

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// Requesters remember who changes addresses and links.
type Requesters struct {
	mu      sync.Mutex // for closed
	closed  bool
	objects requesterObjects
	links   []link.Link
}

// requesterObjects is what of audit.c is loaded for them.
type requesterObjects struct {
	Request    *ebpf.Program `ebpf:"rsagent_request"`
	LinkDown   *ebpf.Program `ebpf:"rsagent_linkdown"`
	Requesters *ebpf.Map     `ebpf:"requesters"`
	Down       *ebpf.Map     `ebpf:"linkdown"`
}

// OpenRequesters begins to record who does what in the network namespace with
// that inode. errors.Is(err, os.ErrPermission) holds if a privilege is missing.
func OpenRequesters(netns uint64) (*Requesters, error) {
	r := &Requesters{}
	err := load(&r.objects, func(s *ebpf.CollectionSpec) error { return s.Variables[auditVarNetns].Set(uint32(netns)) })
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	for _, p := range []*ebpf.Program{r.objects.Request, r.objects.LinkDown} {
		l, err := link.AttachTracing(link.TracingOptions{Program: p})
		if err != nil {
			_ = r.Close()
			return nil, fmt.Errorf("attach: %w", err)
		}
		r.links = append(r.links, l)
	}
	return r, nil
}

// RequestBy returns the process that made the request which an announcement is
// about, by the port and the sequence number in the announcement's header: it is
// known, not guessed. It reports false for what the kernel did of its own accord
// (port 0), what was requested before OpenRequesters or too long ago (4096 later
// requests), and after Close. It does not block.
func (r *Requesters) RequestBy(port, seq uint32) (Actor, bool) {
	if port == 0 {
		return Actor{}, false
	}
	return r.look(r.objects.Requesters, auditRequest{Port: port, Seq: seq}, false)
}

// LinkDownBy returns the process that took the device with this index down last,
// over rtnetlink or by ioctl, and returns it once. It reports false if that was
// before OpenRequesters or 256 devices ago, if the kernel did it of its own
// accord, and after Close. It does not block.
func (r *Requesters) LinkDownBy(index uint32) (Actor, bool) {
	return r.look(r.objects.Down, index, true)
}

func (r *Requesters) look(in *ebpf.Map, key any, forget bool) (Actor, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var a auditActor
	if r.closed || in.Lookup(key, &a) != nil {
		return Actor{}, false
	}
	if forget {
		_ = in.Delete(key) // the map may have dropped it since
	}
	return actorOf(&a, clock), true
}

// Close ends the recording.
func (r *Requesters) Close() error {
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
	o := &r.objects
	return errors.Join(append(errs, _AuditClose(o.Request, o.LinkDown, o.Requesters, o.Down))...)
}

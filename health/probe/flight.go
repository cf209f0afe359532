package probe

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"time"

	"rsagent/agent/packet"
)

// A Wire carries whole IPv4 packets: what is written goes towards the real
// server, what is read has come from it.
type Wire interface {
	Read(packet []byte) (int, error)
	Write(packet []byte) (int, error)
	// SetReadDeadline makes Read fail with os.ErrDeadlineExceeded from t on.
	SetReadDeadline(t time.Time) error
}

const (
	// window is how many requests are in the air at once. Each one that is
	// accepted takes a place in the service's queue until our RST is there.
	window = 32
	// breath is how long a windowful is waited for before the next one follows.
	breath = 10 * time.Millisecond
)

// A flight is the shots of one round, and what they are matched with.
type flight struct {
	wire     Wire
	rip      netip.Addr
	outerTTL uint8
	// nobody is a client that exists for us alone, if there is one, and
	// stranger the outer source for resets in its name.
	nobody, stranger netip.Addr
	byKey            map[key]*shot
	buf              []byte // for one packet, see packetSize
}

// packetSize is that of the largest IPv4 packet.
const packetSize = 65535

// fire sends the shots and waits until each is settled, or for that long after
// the last one. The error is the wire's; silence is none.
func (f *flight) fire(ctx context.Context, shots []*shot, wait time.Duration) error {
	for group := range slices.Chunk(shots, window) {
		for _, s := range group {
			if err := f.send(s); err != nil {
				return err
			}
		}
		if err := f.collect(ctx, group, min(breath, wait)); err != nil {
			return err
		}
	}
	return f.collect(ctx, shots, wait)
}

func (f *flight) send(s *shot) error {
	whole, err := s.encapsulated(f.rip, f.outerTTL)
	if err != nil {
		return err
	}
	f.byKey[s.key()] = s
	s.sent = time.Now()
	_, err = f.wire.Write(whole)
	return err
}

func (f *flight) collect(ctx context.Context, shots []*shot, wait time.Duration) error {
	if err := f.wire.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = f.wire.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	open := func(s *shot) bool { return !s.settled() }
	for slices.ContainsFunc(shots, open) {
		n, err := f.wire.Read(f.buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if err := f.take(f.buf[:n], time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// take looks at a packet that came back. What is not about our shots is let
// go, except that a SYN-ACK to nobody is reset all the same: it belongs to a
// SYN of an earlier round that was answered late.
func (f *flight) take(received []byte, now time.Time) error {
	if segment, err := packet.ParseTCP(received); err == nil {
		return f.takeTCP(segment, now)
	}
	message, err := packet.ParseICMP(received)
	if err != nil {
		return nil // IPv6 neighbour discovery and the like
	}
	switch message.Type {
	case packet.ICMPEchoReply:
		k := key{packet.ProtocolICMP, message.Dst, message.Src, message.ID, message.Seq}
		if s := f.byKey[k]; s != nil && message.Answers(s.echo()) {
			s.settle(accepted, now)
		}
	case packet.ICMPUnreachable, packet.ICMPTimeExceeded:
		f.takeComplaint(message)
	}
	return nil
}

func (f *flight) takeTCP(segment packet.TCP, now time.Time) error {
	k := key{packet.ProtocolTCP, segment.Dst.Addr(), segment.Src.Addr(), segment.Dst.Port(), segment.Src.Port()}
	s, source := f.byKey[k], f.stranger
	if s != nil {
		source = s.source
		switch syn := s.syn(); {
		case segment.Accepts(syn):
			s.settle(accepted, now)
		case segment.Refuses(syn):
			s.settle(refused, now)
		}
	}
	opens := segment.Flags&(packet.SYN|packet.ACK) == packet.SYN|packet.ACK
	if !opens || s == nil && segment.Dst.Addr() != f.nobody {
		return nil
	}
	reset, err := segment.Reset().Packet(innerTTL)
	if err != nil {
		return err
	}
	if reset, err = encapsulate(reset, source, f.rip, f.outerTTL); err != nil {
		return err
	}
	_, err = f.wire.Write(reset)
	return err
}

func (s *shot) settle(a answer, now time.Time) {
	if s.answer == silence {
		s.answer, s.rtt = a, now.Sub(s.sent)
	}
}

func (f *flight) takeComplaint(m packet.ICMP) {
	q, ok := readQuote(m.Payload)
	if !ok {
		return
	}
	c := Complaint{Type: m.Type, Code: m.Code, Outer: q.outer, From: m.Src}
	if s := f.byKey[q.key]; q.known && s != nil {
		s.complaints = append(s.complaints, c)
		return
	}
	if q.known || q.dst != f.rip {
		return
	}
	for _, s := range f.byKey { // a quote too short to tell which of them
		if !s.settled() {
			s.complaints = append(s.complaints, c)
		}
	}
}

package agenttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"rsagent/agent"
	"rsagent/sysctl"
)

// A Fake is an agent.Kernel and a [Machine] that models one network namespace
// of Linux. It is safe for concurrent use. Its own methods, beside those of
// the two interfaces, make it misbehave.
type Fake struct {
	mu       sync.Mutex
	host     *host
	fail     map[string]error // by the text of the action
	observe  error
	hidden   map[sysctl.Key]string
	applied  []agent.Action
	slow     time.Duration
	before   func(agent.Action)
	after    func(agent.Action, error)
	watchers map[*agent.Mailbox]bool
	quick    bool
	edition  int             // of the next reading
	standing *agent.Standing // nil: nothing may be repaired at once
}

var (
	_ agent.Kernel = (*Fake)(nil)
	_ Machine      = (*Fake)(nil)
)

// NewFake returns a namespace as ip netns add makes it: a loopback device that
// is down, and nothing else. The ipip module is not loaded.
func NewFake() *Fake {
	f := &Fake{fail: map[string]error{}, hidden: map[sysctl.Key]string{}, watchers: map[*agent.Mailbox]bool{}}
	f.host = newHost(f.hint)
	return f
}

// NewRealServer returns rs1 of the classic network: eth0 with 172.25.84.2/24,
// and a default route via 172.25.84.1, which is no director.
func NewRealServer() *Fake {
	f := NewFake()
	_, err := f.host.addDevice(device{Link: agent.Link{Name: "eth0", MTU: 1500, ARP: true}})
	err = errors.Join(err, f.Run("ip link set dev lo up; ip link set dev eth0 up"),
		f.Run("ip addr add 172.25.84.2/24 dev eth0; ip route add default via 172.25.84.1 dev eth0"))
	if err != nil {
		panic(err) // the model contradicts itself
	}
	return f
}

// Run carries out command lines of ip, sysctl and modprobe, separated by
// semicolons or line ends, and stops at the first error.
func (f *Fake) Run(script string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range Lines(script) {
		if err := f.host.run(strings.Fields(line)); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	return nil
}

// Dump returns the state as text, see [Render].
func (f *Fake) Dump() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Render(f.host.observe(agent.Desired{}, nil))
}

// Observe returns a reading, or the error of FailObserve, or that of ctx.
func (f *Fake) Observe(ctx context.Context, want agent.Desired) (agent.Observed, error) {
	f.mu.Lock()
	slow := f.slow
	f.mu.Unlock()
	time.Sleep(slow)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(ctx.Err(), f.observe); err != nil {
		return agent.Observed{}, err
	}
	got := f.host.observe(want, f.hidden)
	got.Edition = f.edition
	if want.Focused {
		got = got.Focus(want)
	}
	return got, nil
}

// Apply carries out actions. Those of different phases in one call are an
// error of the caller and not done.
func (f *Fake) Apply(_ context.Context, actions []agent.Action) []error {
	errs := make([]error, len(actions))
	for i, a := range actions {
		if a.Phase() != actions[0].Phase() {
			errs[i] = fmt.Errorf("%s: not of the same phase as %s", a, actions[0])
			continue
		}
		f.mu.Lock()
		before, after := f.before, f.after
		f.mu.Unlock()
		if before != nil {
			before(a)
		}
		errs[i] = f.apply(a)
		if after != nil {
			after(a, errs[i])
		}
	}
	return errs
}

func (f *Fake) apply(a agent.Action) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.applied = append(f.applied, a)
	err := f.fail[a.String()]
	if err == nil {
		err = f.act(a)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	return nil
}

// Applied returns all actions that were tried so far, in order.
func (f *Fake) Applied() []agent.Action {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.applied)
}

// Fail makes every action with the given text fail, or work again if err is
// nil. The second half of an agent.Relabel can be named by itself.
func (f *Fake) Fail(command string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail[command] = err
}

// FailObserve makes Observe fail, or work again if err is nil.
func (f *Fake) FailObserve(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.observe = err
}

// Hide makes a setting unreadable, or readable again if why is empty.
func (f *Fake) Hide(key sysctl.Key, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if why == "" {
		delete(f.hidden, key)
		return
	}
	f.hidden[key] = why
}

// Blacklist makes the ipip module impossible to load, or possible again if
// why is empty.
func (f *Fake) Blacklist(why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.host.ban = why
}

// Slow makes every reading take time.
func (f *Fake) Slow(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slow = d
}

// Hook has functions called before and after each action, without a lock held:
// they may tamper, cancel a context, or panic to play the death of the agent.
// Either may be nil.
func (f *Fake) Hook(before func(agent.Action), after func(agent.Action, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

// Watch gives hints for what Linux announces: devices, addresses, rp_filter
// and forwarding, but not arp_ignore and arp_announce.
func (f *Fake) Watch(ctx context.Context) <-chan agent.Hint {
	hints := agent.NewMailbox()
	f.mu.Lock()
	f.watchers[hints] = true
	f.mu.Unlock()
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, hints)
		hints.Close()
	})
	return hints.Hints()
}

// hint is called by the model with the lock held.
func (f *Fake) hint(h agent.Hint) {
	f.reflex(&h)
	for hints := range f.watchers {
		hints.Post(h)
	}
}

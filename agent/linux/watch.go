package linux

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"rsagent/agent"
)

// Watch gives a hint whenever the kernel announces a change, and one for
// everything when announcements were lost (ENOBUFS, or a socket that failed).
// What this Kernel does to addresses itself gives none. It must be called from
// the network namespace that is to be watched, and only once.
func (k *Host) Watch(ctx context.Context) <-chan agent.Hint {
	box := agent.NewMailbox()
	k.mu.Lock()
	k.box = box
	k.mu.Unlock()
	if k.onStatus != nil {
		k.runAudit(ctx, box)
	}
	k.reflexes.open()
	n, err := subscribe(k.told)
	go func() {
		defer box.Close()
		wait := 100 * time.Millisecond
		for {
			if err == nil {
				wait = 100 * time.Millisecond
				k.follow(ctx, n)
			}
			if ctx.Err() != nil {
				return
			}
			box.Post(everything)
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			wait = min(2*wait, 5*time.Second)
			if n, err = subscribe(k.told); err == nil {
				box.Post(everything) // what happened while nobody listened
			}
		}
	}()
	return box.Hints()
}

// follow reads news until the socket fails or ctx ends. It closes the socket.
func (k *Host) follow(ctx context.Context, n *news) {
	k.subscribed(n)
	stop := context.AfterFunc(ctx, n.close)
	defer func() {
		k.subscribed(nil)
		if stop() {
			n.close()
		}
	}()
	var s storm
	for {
		heard, repaired, err := n.wait()
		if repaired {
			k.account(n)
		}
		if err != nil {
			return
		}
		if pause := s.pause(heard, time.Now()); pause > 0 {
			time.Sleep(pause)
		}
	}
}

// account tells of a repair, and of what came with it, after a breath.
func (k *Host) account(n *news) {
	wait := unix.NsecToTimespec(breath.Nanoseconds())
	_ = unix.Nanosleep(&wait, nil) // the thread: to park a goroutine is work, and others wait for the processor
	_ = n.catchUp()                // its reader will notice
	k.post(k.reflexes.tell())
}

// subscribed makes n the source of the mirror, which holds nothing yet.
func (k *Host) subscribed(n *news) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.news = n
	k.mirror.drop()
	k.ground.drop()
	k.reflexes.disturbed()
}

package agent_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rsagent/agent"
)

// watched is a kernel whose hints come from elsewhere.
type watched struct {
	agent.Kernel
	box *agent.Mailbox
}

func (w watched) Watch(context.Context) <-chan agent.Hint { return w.box.Hints() }

// Who it was is asked after the repair, which does not wait for it; before it
// where there are many to ask about, since what is remembered of them is lost
// by so many repairs. Nobody is named who is not known.
func TestLoopAsksWhoItWas(t *testing.T) {
	for many, back := range map[int]bool{4: true, 200: false} {
		synctest.Test(t, func(t *testing.T) {
			box := agent.NewMailbox()
			r := startLoopWith(t, time.Hour, configs()["plain"], func(l *agent.Loop) { l.Kernel = watched{l.Kernel, box} })
			synctest.Wait()
			var first []bool // whether the VIP was back when it was asked
			hint := agent.Hint{Addrs: []netip.Addr{netip.MustParseAddr("172.25.84.100")}}
			for i := range many {
				hint.Audit = append(hint.Audit, agent.AuditRecord{Subject: agent.Subject{Kind: agent.KindModule, Name: fmt.Sprint(i)}, Asked: func() (time.Time, agent.Actor, bool) {
					first = append(first, strings.Contains(r.fake.Dump(), vipThere))
					return time.Now(), agent.Actor{PID: 1 + i}, i%2 == 0
				}})
			}
			if err := r.fake.Run(deletion); err != nil {
				t.Fatal(err)
			}
			box.Post(hint)
			synctest.Wait()
			if len(first) == 0 {
				t.Fatalf("%d traces: nobody was asked", many)
			}
			if len(first) != many || first[0] != back || !strings.Contains(r.fake.Dump(), vipThere) {
				t.Errorf("%d traces: asked %d times, back at the first: %v, want %v", many, len(first), first[0], back)
			}
			named := r.last().Audit
			if len(named) != many/2 || named[1].Name != "2" || named[1].By.PID != 3 || named[1].Asked != nil {
				t.Errorf("%d traces: %d in the report, want %d: %+v", many, len(named), many/2, named[:min(2, len(named))])
			}
			r.stop()
			box.Close()
		})
	}
}

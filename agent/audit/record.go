package audit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// recordLen is the size of a struct sysctl_write.
var recordLen = binary.Size(auditSysctlWrite{})

// decodeWrite reads a record of the ring, a struct sysctl_write. The clock gives
// the time of an instant of CLOCK_MONOTONIC.
func decodeWrite(raw []byte, clock func(ns uint64) time.Time) (Write, error) {
	var r auditSysctlWrite
	if _, err := binary.Decode(raw, binary.NativeEndian, &r); err != nil {
		return Write{}, fmt.Errorf("record: %d bytes, want %d", len(raw), recordLen)
	}
	w := Write{
		Actor: actorOf(&r.By, clock),
		Key:   text(r.Key[:]),
		Old:   strings.TrimSpace(text(r.Old[:])),
		New:   strings.TrimSpace(text(r.New[:])),
	}
	if w.Key != "net/ipv4/ip_forward" && !strings.HasPrefix(w.Key, "net/ipv4/conf/") {
		return Write{}, fmt.Errorf("record: key %q", w.Key)
	}
	return w, nil
}

func actorOf(a *auditActor, clock func(ns uint64) time.Time) Actor {
	return Actor{Time: clock(a.Time), PID: int(a.Pid), UID: int(a.Uid), Comm: text(a.Comm[:]), NetNS: a.Netns}
}

// text is a C string.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// clock gives the time of an instant of CLOCK_MONOTONIC.
func clock(ns uint64) time.Time {
	var mono unix.Timespec
	now := time.Now()
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil {
		return now
	}
	return now.Add(time.Duration(int64(ns) - mono.Nano()))
}

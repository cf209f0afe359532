package audit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// A record is what the program puts into the ring buffer for one write: these
// fields, at these places, in the machine's byte order.
const (
	atTime  = 0  // u64, CLOCK_MONOTONIC in ns
	atPID   = 8  // u32
	atUID   = 12 // u32
	atNetNS = 16 // u32, and as much of nothing
	atComm  = 24
	atOld   = atComm + commLen
	atNew   = atOld + valueLen
	atName  = atNew + valueLen

	recordLen = atName + nameLen
)

const (
	commLen  = 16 // TASK_COMM_LEN
	valueLen = 64
	// nameLen has room for the longest key, a device's name of 15 bytes and
	// drop_unicast_in_l2_multicast included.
	nameLen = 64
)

// decode reads a record. The clock tells what time it was at an instant of
// CLOCK_MONOTONIC.
func decode(raw []byte, clock func(ns uint64) time.Time) (Write, error) {
	if len(raw) < recordLen {
		return Write{}, fmt.Errorf("record: %d bytes, want %d", len(raw), recordLen)
	}
	key := text(raw[atName:recordLen])
	if !watched(key) {
		return Write{}, fmt.Errorf("record: key %q", key)
	}
	who := decodeWho(raw, clock)
	return Write{
		Time:  who.Time,
		Key:   key,
		Old:   strings.TrimSpace(text(raw[atOld:atNew])),
		New:   strings.TrimSpace(text(raw[atNew:atName])),
		PID:   who.PID,
		UID:   who.UID,
		Comm:  who.Comm,
		NetNS: who.NetNS,
	}, nil
}

// decodeWho reads the head of a record, of atOld bytes at least.
func decodeWho(raw []byte, clock func(ns uint64) time.Time) Who {
	order := binary.NativeEndian
	return Who{
		Time:  clock(order.Uint64(raw[atTime:])),
		PID:   int(order.Uint32(raw[atPID:])),
		UID:   int(order.Uint32(raw[atUID:])),
		Comm:  text(raw[atComm:atOld]),
		NetNS: uint64(order.Uint32(raw[atNetNS:])),
	}
}

// text is a C string.
func text(b []byte) string {
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	return string(b)
}

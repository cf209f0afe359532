package audit

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample is a record as the program writes it, byte by byte.
func sample() []byte {
	b := make([]byte, 232)
	order := binary.NativeEndian
	order.PutUint64(b[0:], 5)
	order.PutUint32(b[8:], 4321)
	order.PutUint32(b[12:], 1000)
	order.PutUint64(b[16:], 4026531840)
	copy(b[24:], "sysctl")
	copy(b[40:], "0\n")
	copy(b[104:], " 1 \n\x00left over")
	copy(b[168:], "net/ipv4/conf/eth0.100/rp_filter")
	return b
}

func uptime(ns uint64) time.Time { return time.Unix(1700000000, int64(ns)) }

func TestDecodeWrite(t *testing.T) {
	t.Parallel()
	// The kernel rounds records up to 8 bytes.
	got, err := decodeWrite(append(sample(), 0, 0, 0, 0, 0, 0, 0, 0), uptime)
	if err != nil {
		t.Fatal(err)
	}
	want := Write{
		Actor: Actor{Time: time.Unix(1700000000, 5), PID: 4321, UID: 1000, Comm: "sysctl", NetNS: 4026531840},
		Key:   "net/ipv4/conf/eth0.100/rp_filter", Old: "0", New: "1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("write (-want +got):\n%s", diff)
	}
}

func TestDecodeWriteRefuses(t *testing.T) {
	t.Parallel()
	if w, err := decodeWrite(sample()[:231], uptime); err == nil {
		t.Errorf("too short: got %+v", w)
	}
	other := sample()
	copy(other[168:], "net/ipv6/conf/eth0.100/rp_filter")
	if w, err := decodeWrite(other, uptime); err == nil {
		t.Errorf("another key: got %+v", w)
	}
}

// A text without an end is cut at the end of its field.
func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "\x00": "", "a\x00b": "a", "sixteen bytes ab": "sixteen bytes ab"} {
		if got := text([]byte(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// Whatever is in the ring, a write is decoded whole or not at all, and no text of
// it is longer than its field or has a NUL in it.
func FuzzDecodeWrite(f *testing.F) {
	f.Add(sample())
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{'n'}, 232))
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, err := decodeWrite(raw, uptime)
		if err != nil {
			if !reflect.DeepEqual(w, Write{}) {
				t.Errorf("%v, and %+v", err, w)
			}
			return
		}
		if len(raw) < 232 || !strings.HasPrefix(w.Key, "net/ipv4/") {
			t.Errorf("%d bytes: key %q", len(raw), w.Key)
		}
		if len(w.Comm) > 16 || len(w.Old) > 64 || len(w.New) > 64 || len(w.Key) > 64 {
			t.Errorf("too long: %+v", w)
		}
		if strings.Contains(w.Comm+w.Old+w.New+w.Key, "\x00") {
			t.Errorf("NUL in %+v", w)
		}
		if w.PID < 0 || w.UID < 0 {
			t.Errorf("negative: %+v", w)
		}
	})
}

package audit

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// wire is a record as C would declare it.
type wire struct {
	Time            uint64
	PID, UID, NetNS uint32
	_               uint32
	Comm            [16]byte
	Old, New, Name  [64]byte
}

func (w wire) bytes(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := binary.Write(&b, binary.NativeEndian, w); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sample() wire {
	w := wire{Time: 5, PID: 4321, UID: 1000, NetNS: 4026531840}
	copy(w.Comm[:], "sysctl")
	copy(w.Old[:], "0\n")
	copy(w.New[:], " 1 \n\x00left over")
	copy(w.Name[:], "net/ipv4/conf/eth0.100/rp_filter")
	return w
}

func uptime(ns uint64) time.Time { return time.Unix(1700000000, int64(ns)) }

func TestDecode(t *testing.T) {
	t.Parallel()
	// The kernel rounds records up to 8 bytes.
	got, err := decode(append(sample().bytes(t), 0, 0, 0, 0, 0, 0, 0, 0), uptime)
	if err != nil {
		t.Fatal(err)
	}
	want := Write{
		Time: time.Unix(1700000000, 5), Key: "net/ipv4/conf/eth0.100/rp_filter", Old: "0", New: "1",
		PID: 4321, UID: 1000, Comm: "sysctl", NetNS: 4026531840,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("write (-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	if w, err := decode(sample().bytes(t)[:recordLen-1], uptime); err == nil {
		t.Errorf("too short: got %+v", w)
	}
	other := sample()
	copy(other.Name[:], "net/ipv6/conf/eth0.100/rp_filter")
	if w, err := decode(other.bytes(t), uptime); err == nil {
		t.Errorf("another key: got %+v", w)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample().bytes(f))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, err := decode(raw, uptime)
		if (err == nil) != watched(w.Key) {
			t.Errorf("got key %q with error %v", w.Key, err)
		}
	})
}

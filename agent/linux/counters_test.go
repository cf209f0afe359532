package linux

import (
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A countersRow is a file of counters, and what is in it or what is wrong with it.
type countersRow struct {
	name, text string
	want       map[string]uint64
	err        string
}

func (row countersRow) check(t *testing.T, parse func(map[string]uint64, io.Reader) error) {
	t.Parallel()
	got := map[string]uint64{}
	err := parse(got, strings.NewReader(row.text))
	if row.err != "" || err != nil {
		if err == nil || err.Error() != row.err {
			t.Errorf("got error %v, want %q", err, row.err)
		}
		return
	}
	if diff := cmp.Diff(row.want, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

func TestParseSNMP(t *testing.T) {
	t.Parallel()
	for _, row := range []countersRow{
		{name: "nothing", want: map[string]uint64{}},
		{
			name: "two pairs",
			text: "Ip: InUnknownProtos InAddrErrors\nIp: 3 4\nTcp: MaxConn OutRsts\nTcp: -1 18446744073709551615\n",
			want: map[string]uint64{"IpInUnknownProtos": 3, "IpInAddrErrors": 4, "TcpOutRsts": 1<<64 - 1},
		},
		{name: "no names", text: "Ip:\nIp:\n", want: map[string]uint64{}},
		{name: "cut off", text: "Ip: InUnknownProtos\n", err: "Ip: unexpected EOF"},
		{name: "out of step", text: "Ip: A\nTcp: 1\n", err: `Ip: values are for "Tcp"`},
		{name: "a value too few", text: "Ip: A B\nIp: 1\n", err: "Ip: 2 names and 1 values"},
		{name: "no number", text: "Ip: A\nIp: x\n", err: `IpA: strconv.ParseUint: parsing "x": invalid syntax`},
		{name: "no colon", text: "Ip\n", err: `line "Ip": want a prefix and a colon`},
	} {
		t.Run(row.name, func(t *testing.T) { row.check(t, parseSNMP) })
	}
}

func TestParseDevices(t *testing.T) {
	t.Parallel()
	const heading = "Inter-|   Receive                            |  Transmit\n face |bytes    packets errs|bytes    packets\n"
	for _, row := range []countersRow{
		{name: "nothing but headings", text: heading, want: map[string]uint64{}},
		{
			name: "devices",
			text: heading + "    lo:       0       7    0\n tunl0:1234 5 0 0\neth0.100: 9 8 7\n",
			want: map[string]uint64{"rx/lo": 7, "rx/tunl0": 5, "rx/eth0.100": 8},
		},
		{name: "cut off", text: "tunl0: 1", err: `line "tunl0: 1": want a device and its numbers`},
		{name: "no device", text: "tunl0", err: `line "tunl0": want a device and its numbers`},
		{name: "no number", text: " tunl0: 1 x", err: `tunl0: strconv.ParseUint: parsing "x": invalid syntax`},
	} {
		t.Run(row.name, func(t *testing.T) { row.check(t, parseDevices) })
	}
}

// The build machine's own kernel is as good as any for this.
func TestCountersOfThisKernel(t *testing.T) {
	t.Parallel()
	c, err := openCounters()
	if err != nil {
		t.Skip(err)
	}
	defer c.close()
	for range 2 { // the same files, read again
		got, err := c.read()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"IpInUnknownProtos", "IpInAddrErrors", "IpInHdrErrors", "TcpOutRsts", "TcpExtIPReversePathFilter", "TcpExtListenDrops", "rx/lo"} {
			if _, ok := got[name]; !ok {
				t.Errorf("no %s", name)
			}
		}
	}
}

// Whatever the text, there is no panic, and what is not understood is an error and not a counter made up.
func FuzzCounters(f *testing.F) {
	f.Add("Ip: A B\nIp: 1 -2\n")
	f.Add("Inter-| Receive\n lo: 1 2 3\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(map[string]uint64, io.Reader) error{parseSNMP, parseDevices} {
			once, again := map[string]uint64{}, map[string]uint64{}
			err, same := parse(once, strings.NewReader(text)), parse(again, strings.NewReader(text))
			if (err == nil) != (same == nil) || !maps.Equal(once, again) {
				t.Errorf("%q: two readings differ: %v %v, %v %v", text, once, err, again, same)
			}
			for name := range once {
				if !strings.Contains(text, strings.TrimPrefix(name, "rx/")) && !strings.Contains(text, ":") {
					t.Errorf("%q: %s is not in it", text, name)
				}
			}
		}
	})
}

package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	t.Parallel()
	ms := func(n ...int) (out []time.Duration) {
		for _, v := range n {
			out = append(out, time.Duration(v)*time.Millisecond)
		}
		return out
	}
	got := Table([]Section{
		{Name: "repair", Note: "16 VIPs.", Rows: []Row{
			{What: "VIP back", Ours: Median("", ms(4, 2, 9)), Reference: Median("bare loop", ms(2, 2)), Goal: RatioAtMost(2)},
			{What: "arp", Ours: Median("", ms(30)), Reference: Median("bare loop", ms(2)), Goal: AtMost(0.02)},
		}},
		{Name: "idle", Rows: []Row{
			{What: "memory", Unit: Bytes, Ours: MedianOf("", []float64{13.4e6}), Reference: MedianOf("keepalived", []float64{12e6})},
			{What: "nginx", Goal: RatioAtLeast(0.5), Missing: "no nginx"},
		}},
	})
	want := strings.TrimPrefix(`
| what     | rsagent | reference  |         | ratio | goal      |                          | samples |
|----------|---------|------------|---------|-------|-----------|--------------------------|---------|
| VIP back | 4.00 ms | bare loop  | 2.00 ms | 2.00  | ≤ 2×      | met                      | 3 / 2   |
| arp      | 30.0 ms | bare loop  | 2.00 ms | 15.0  | ≤ 20.0 ms | **not met**              | 1 / 1   |
| memory   | 13.4 MB | keepalived | 12.0 MB | 1.12  |           |                          | 1 / 1   |
| nginx    |         |            |         |       | ≥ 0.5×    | not measurable: no nginx |         |

**repair.** 16 VIPs.
`, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	one := func(v float64) Measure { return Measure{Value: v, Samples: 1} }
	for _, test := range []struct {
		name string
		row  Row
		want string
	}{
		{"at the limit", Row{Ours: one(2), Reference: one(1), Goal: RatioAtMost(2)}, "met"},
		{"above", Row{Ours: one(2.001), Reference: one(1), Goal: RatioAtMost(2)}, "**not met**"},
		{"at least, at the limit", Row{Ours: one(1), Reference: one(2), Goal: RatioAtLeast(0.5)}, "met"},
		{"at least, below", Row{Ours: one(0.99), Reference: one(2), Goal: RatioAtLeast(0.5)}, "**not met**"},
		{"at least, above", Row{Ours: one(3), Reference: one(2), Goal: RatioAtLeast(0.5)}, "met"},
		{"absolute, whatever the ratio", Row{Ours: one(0.1), Reference: one(0.001), Goal: AtMost(0.2)}, "met"},
		{"absolute, missed", Row{Ours: one(0.3), Reference: one(9), Goal: AtMost(0.2)}, "**not met**"},
		{"absolute without a reference", Row{Ours: one(0.1), Goal: AtMost(0.2)}, "met"},
		{"no goal", Row{Ours: one(1), Reference: one(1)}, ""},
		{"no samples", Row{Reference: one(1), Goal: RatioAtMost(2)}, "not measurable: no samples"},
		{"no reference", Row{Ours: one(1), Goal: RatioAtMost(2)}, "not measurable: no reference"},
		{"a reference of nothing", Row{Ours: one(1), Reference: one(0), Goal: RatioAtMost(2)}, "not measurable: no reference"},
		{"missing", Row{Ours: one(1), Reference: one(1), Goal: RatioAtMost(2), Missing: "why"}, "not measurable: why"},
	} {
		if got := test.row.Verdict(); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestMedianIsInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 1000, 2}, 3}} {
		before := append([]float64(nil), test.values...)
		got := MedianOf("x", test.values)
		if want := (Measure{Name: "x", Value: test.want, Samples: len(test.values)}); got != want {
			t.Errorf("%v: got %+v, want %+v", test.values, got, want)
		}
		if diff := cmp.Diff(before, test.values); diff != "" {
			t.Errorf("the values were moved (-want +got):\n%s", diff)
		}
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		unit  Unit
		value float64
		want  string
	}{
		{Seconds, 0, "0 µs"}, {Seconds, 43e-6, "43.0 µs"}, {Seconds, 0.0015, "1.50 ms"}, {Seconds, 0.1234, "123 ms"}, {Seconds, 2.5, "2.50 s"},
		{Bytes, 13.4e6, "13.4 MB"}, {BytesPerSecond, 1.25e9, "1250 MB/s"}, {PerSecond, 20488.2, "20488 /s"},
		{Share, 0.001, "0.100 %"}, {Share, 0.1, "10.0 %"}, {Share, 1.2, "120 %"},
	} {
		if got := test.unit.text(test.value); got != test.want {
			t.Errorf("%v: got %q, want %q", test.value, got, test.want)
		}
	}
}

package audit

import (
	"testing"

	"github.com/cilium/ebpf/btf"
)

func TestOffset(t *testing.T) {
	t.Parallel()
	number := &btf.Int{Name: "unsigned int", Size: 4}
	common := &btf.Struct{Name: "ns_common", Members: []btf.Member{
		{Name: "ops", Type: number},
		{Name: "inum", Type: number, Offset: 16 * 8},
	}}
	in := &btf.Struct{Name: "net", Members: []btf.Member{
		{Name: "passive", Type: number},
		{Type: &btf.Struct{Members: []btf.Member{ // as under CONFIG_RANDSTRUCT
			{Name: "a", Type: number},
			{Type: &btf.Union{Members: []btf.Member{{Name: "ns", Type: &btf.Typedef{Name: "n", Type: common}, Offset: 8 * 8}}}, Offset: 32 * 8},
		}}, Offset: 64 * 8},
	}}
	for _, row := range []struct {
		path []string
		want uint32
		err  bool
	}{
		{path: []string{"passive"}, want: 0},
		{path: []string{"a"}, want: 64},
		{path: []string{"ns"}, want: 64 + 32 + 8},
		{path: []string{"ns", "inum"}, want: 64 + 32 + 8 + 16},
		{path: []string{"inum"}, err: true},
		{path: []string{"ns", "none"}, err: true},
		{path: []string{"passive", "none"}, err: true},
	} {
		got, err := offset(in, row.path...)
		if got != row.want || (err != nil) != row.err {
			t.Errorf("%v: got %d, %v, want %d", row.path, got, err, row.want)
		}
	}
}

package audit

import (
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// A layout is where the running kernel keeps what names a writer: in a
// task_struct, in an nsproxy, and in a struct net. It differs between builds.
type layout struct{ tgid, comm, nsproxy, netNS, inum uint32 }

// kernelLayout asks the running kernel, by its BTF.
func kernelLayout() (layout, error) {
	var l layout
	return l, locate([]field{
		{&l.tgid, "task_struct", []string{"tgid"}},
		{&l.comm, "task_struct", []string{"comm"}},
		{&l.nsproxy, "task_struct", []string{"nsproxy"}},
		{&l.netNS, "nsproxy", []string{"net_ns"}},
		{&l.inum, "net", []string{"ns", "inum"}},
	})
}

// A field is one whose place is asked for.
type field struct {
	at   *uint32 // where to put the answer
	in   string  // the struct
	path []string
}

// locate finds the fields in the running kernel's structs, by its BTF.
func locate(fields []field) error {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return fmt.Errorf("kernel types: %w", err)
	}
	for _, f := range fields {
		var in *btf.Struct
		if err := spec.TypeByName(f.in, &in); err != nil {
			return fmt.Errorf("kernel types: struct %s: %w", f.in, err)
		}
		if *f.at, err = offset(in, f.path...); err != nil {
			return fmt.Errorf("kernel types: %w", err)
		}
	}
	return nil
}

// offset is the place in bytes of a field, or of a field of a field.
func offset(in *btf.Struct, path ...string) (uint32, error) {
	var at uint32
	var t btf.Type = in
	for _, name := range path {
		m, bytes, ok := find(t, name)
		if !ok {
			return 0, fmt.Errorf("struct %s: no field %s", in.Name, name)
		}
		at, t = at+bytes, m.Type
	}
	return at, nil
}

// find looks into nameless structs and unions too, as C does.
func find(t btf.Type, name string) (btf.Member, uint32, bool) {
	for _, m := range members(t) {
		if m.Name == name {
			return m, m.Offset.Bytes(), true
		}
		if m.Name != "" {
			continue
		}
		if inner, at, ok := find(m.Type, name); ok {
			return inner, m.Offset.Bytes() + at, true
		}
	}
	return btf.Member{}, 0, false
}

func members(t btf.Type) []btf.Member {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}

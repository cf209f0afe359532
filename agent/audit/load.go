package audit

import (
	"errors"
	"runtime/debug"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// load loads those programs and maps of audit.c that to has fields for, a pointer
// to a struct with `ebpf` tags, after prepare.
func load(to any, prepare func(*ebpf.CollectionSpec) error) error {
	// Reading the kernel's types leaves garbage that an idle process keeps: a
	// bare program that did it has 19.8 MB resident, and 9.0 MB after this.
	defer debug.FreeOSMemory()
	spec, err := loadAudit()
	if err != nil {
		return err
	}
	if err := prepare(spec); err != nil {
		return err
	}
	return withMemlock(func() error { return spec.LoadAndAssign(to, nil) })
}

// withMemlock runs f again without a limit on locked memory if it is not
// permitted with one, and puts the limit back. Before Linux 5.11 programs and
// maps count as locked memory, of which a service has 64 KiB. The library's
// rlimit package is no choice: it makes maps when a program starts, whether
// that program audits anything or not.
func withMemlock(f func() error) error {
	err := f()
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	var old unix.Rlimit
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if unix.Prlimit(0, unix.RLIMIT_MEMLOCK, &unlimited, &old) != nil {
		return err
	}
	defer func() { _ = unix.Prlimit(0, unix.RLIMIT_MEMLOCK, &old, nil) }() // lowering is always permitted
	return f()
}

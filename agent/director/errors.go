package director

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// Errors that a caller may test for with errors.Is. Beside them, a service or real server that must exist and does not
// is fs.ErrNotExist, and a missing privilege is fs.ErrPermission.
var (
	// ErrNoIPVS says that the running kernel has no IPVS and could not load it by itself.
	ErrNoIPVS = errors.New("ip_vs: not in this kernel: modprobe ip_vs")

	// ErrNoScheduler says that the kernel has no such scheduler and could not load its module, ip_vs_NAME.
	ErrNoScheduler = errors.New("not in this kernel")

	// ErrPortMapped refuses a real server whose port is not its service's. The kernel would accept it and then send
	// the packet on with the service's port all the same, since in TUN the inner packet stays as the client sent it.
	ErrPortMapped = errors.New("TUN maps no ports")

	// ErrIPv6 refuses an IPv6 address where only IPv4 is supported yet.
	ErrIPv6 = errors.New("IPv6 is not supported yet")
)

// errAbsent is fs.ErrNotExist in words that fit a table.
const errAbsent = absent("not in the IPVS table")

type absent string

func (a absent) Error() string        { return string(a) }
func (a absent) Is(target error) bool { return target == fs.ErrNotExist }

// needAdmin is appended to a refusal for want of privilege.
const needAdmin = "needs root or CAP_NET_ADMIN in this network namespace"

// explainRead says what an error of reading the table means. The kernel answers ENOENT to a request for a generic
// netlink family that it does not have, and to nothing else that is read.
func explainRead(err error) error {
	switch cause := errnoOf(err); cause {
	case syscall.ENOENT:
		return ErrNoIPVS
	case syscall.EPERM:
		return fmt.Errorf("%w (%s)", cause, needAdmin)
	default:
		return cause
	}
}

// explainApply says what an error of applying o means, after net/netfilter/ipvs/ip_vs_ctl.c: ENOENT is an unknown
// scheduler to the service commands and an unknown server to the server commands, ESRCH is an unknown service.
func explainApply(o op, err error) error {
	cause := errnoOf(err)
	ofService := o.verb == addService || o.verb == editService
	switch {
	case cause == nil:
		return nil
	case cause == syscall.ENOENT && ofService:
		return fmt.Errorf("%s: scheduler %s: %w: modprobe ip_vs_%[2]s", o, o.service.Scheduler, ErrNoScheduler)
	case cause == syscall.ENOENT:
		return fmt.Errorf("%s: real server: %w", o, errAbsent)
	case cause == syscall.ESRCH:
		return fmt.Errorf("%s: service: %w", o, errAbsent)
	case cause == syscall.EPERM:
		return fmt.Errorf("%s: %w (%s)", o, cause, needAdmin)
	}
	return fmt.Errorf("%s: %w", o, cause)
}

// errnoOf returns the kernel's answer without the words of the library that carried it, or err if it is none.
func errnoOf(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}

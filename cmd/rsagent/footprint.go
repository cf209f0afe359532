package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

const (
	// processors is how many the daemon uses at once: one to answer while the
	// other waits for the kernel. Each more costs at rest, since the runtime
	// looks for work on all of them: with eight, a third more processor time
	// and 3.6 MB.
	processors = 2
	// garbage is how much of it there may be before it is collected, in per
	// cent of what is in use, and of 4 MB at least: the daemon has less than a
	// megabyte in use, and makes a hundred kilobytes a second. 50 saves 3 MB
	// for a collection every twenty seconds.
	garbage = 50
)

// modest makes the runtime fit a daemon that rests beside the service which the
// machine is for. GOMAXPROCS and GOGC in the environment go before.
func modest() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(min(processors, runtime.GOMAXPROCS(0)))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	// Where huge pages are for everyone, as in Debian, the kernel makes them of
	// a few pages in use each, and a heap of 2 MB becomes one of 16 within a
	// minute. What the daemon starts (the hook) inherits that.
	_ = unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0)
}

package health

import (
	"bytes"
	"encoding/binary"
	"os"
	"syscall"
)

// drainEvents are what changes the drain file, and what takes its directory
// away (inotify(7)).
const drainEvents = syscall.IN_CREATE | syscall.IN_MODIFY | syscall.IN_ATTRIB | syscall.IN_MOVED_TO | syscall.IN_MOVED_FROM |
	syscall.IN_DELETE | syscall.IN_DELETE_SELF | syscall.IN_MOVE_SELF | syscall.IN_ONLYDIR

// drainNews hears of changes to the drain file, so that nobody has to look at
// it a dozen times a second. It belongs to one goroutine.
type drainNews struct {
	dir   string
	file  *os.File // nil: nothing is ever heard
	fd    int
	watch int           // of the directory; 0 if there is none
	heard chan struct{} // holds a value after a change
	ended chan struct{}
}

// hearDrains begins to listen to a directory, which need not be there; "" is
// none.
func hearDrains(dir string) *drainNews {
	n := deaf()
	n.dir = dir
	if dir == "" {
		return n
	}
	// Refused, as by fs.inotify.max_user_instances, it is as if nothing were heard.
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err == nil {
		n.fd, n.file, n.ended = fd, os.NewFile(uintptr(fd), "inotify"), make(chan struct{})
		go n.read()
	}
	return n
}

// deaf hears nothing.
func deaf() *drainNews {
	n := &drainNews{heard: make(chan struct{}, 1), ended: make(chan struct{})}
	close(n.ended)
	return n
}

// follow listens to the directory that is now at the path. It reports whether
// changes from now on are heard of. Called again it costs a system call.
func (n *drainNews) follow() bool {
	if n.file == nil {
		return false
	}
	watch, err := syscall.InotifyAddWatch(n.fd, n.dir, drainEvents)
	if err != nil {
		watch = 0
	}
	if n.watch != 0 && n.watch != watch {
		_, _ = syscall.InotifyRmWatch(n.fd, uint32(n.watch)) // may be gone with its directory
	}
	n.watch = watch
	select {
	case <-n.ended: // nobody reads what is heard
		return false
	default:
		return watch != 0
	}
}

func (n *drainNews) read() {
	defer close(n.ended)
	buf := make([]byte, 4096)
	for {
		size, err := n.file.Read(buf)
		if err != nil {
			return // closed
		}
		if aboutDrain(buf[:size]) {
			signal(n.heard)
		}
	}
}

// close returns when nothing of it is left.
func (n *drainNews) close() {
	if n.file != nil {
		_ = n.file.Close()
	}
	<-n.ended
}

// aboutDrain reports whether one of the events (struct inotify_event) may
// concern the drain file: it is named, or nothing is, which is the directory's
// own fate or an overflow. Other files of the directory are written more often.
func aboutDrain(events []byte) bool {
	for len(events) >= syscall.SizeofInotifyEvent {
		end := syscall.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
		if end > len(events) {
			return true
		}
		name := bytes.TrimRight(events[syscall.SizeofInotifyEvent:end], "\x00")
		if len(name) == 0 || string(name) == DrainFile {
			return true
		}
		events = events[end:]
	}
	return false
}

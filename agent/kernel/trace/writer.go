package trace

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// identify asks /proc who the process with the write's PID is. What has ended
// since stays unknown.
func (w *Write) identify() {
	dir := "/proc/" + strconv.Itoa(w.PID)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return
	}
	comm, uid, ok := parseStatus(string(status))
	if !ok {
		return
	}
	w.Comm, w.UID = comm, uid
	var netns unix.Stat_t
	if unix.Stat(dir+"/ns/net", &netns) == nil {
		w.NetNS = netns.Ino
	}
}

// parseStatus finds the name and the real user ID in a /proc/PID/status, both
// from one reading, so that they are one process's.
func parseStatus(status string) (comm string, uid int, ok bool) {
	unescape := strings.NewReplacer(`\n`, "\n", `\\`, `\`)
	uid = -1
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		switch name {
		case "Name":
			comm = unescape.Replace(strings.TrimPrefix(value, "\t"))
		case "Uid":
			first, _, _ := strings.Cut(strings.TrimSpace(value), "\t")
			n, err := strconv.Atoi(first)
			if err != nil {
				return "", -1, false
			}
			return comm, n, comm != ""
		}
	}
	return "", -1, false
}

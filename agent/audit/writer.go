package audit

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// identify asks /proc who the process with the write's PID is. What has ended
// since stays unknown, and so does the network namespace of one with several
// threads: each of them may be in another, and which of them wrote is not told.
func (w *Write) identify() {
	dir := "/proc/" + strconv.Itoa(w.PID)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return
	}
	comm, uid, single, ok := parseStatus(string(status))
	if !ok {
		return
	}
	w.Comm, w.UID = comm, uid
	var netns unix.Stat_t
	if single && unix.Stat(dir+"/ns/net", &netns) == nil {
		w.NetNS = netns.Ino
	}
}

// parseStatus finds the name, the real user ID, and whether there is a single
// thread in a /proc/PID/status, all from one reading, so that they are one
// process's.
func parseStatus(status string) (comm string, uid int, single, ok bool) {
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
				return "", -1, false, false
			}
			uid = n
		case "Threads":
			return comm, uid, strings.TrimSpace(value) == "1", comm != "" && uid >= 0
		}
	}
	return "", -1, false, false
}

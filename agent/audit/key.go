package audit

import "strings"

// What is listened to, in /proc/sys.
const (
	confPrefix = "net/ipv4/conf/"
	forwardKey = "net/ipv4/ip_forward"
)

// watched reports whether writes to a key are told.
func watched(key string) bool {
	return key == forwardKey || strings.HasPrefix(key, confPrefix)
}

// keyOf is the key of a file in procfs. Where procfs is mounted does not
// matter: a process in a chroot has it below /proc of its own.
func keyOf(path string) (string, bool) {
	const sys = "/sys/"
	path = strings.TrimSuffix(path, " (deleted)") // the device is gone, or its name was forgotten
	at := strings.LastIndex(path, sys+"net/ipv4/")
	if at < 0 {
		return "", false
	}
	key := path[at+len(sys):]
	return key, watched(key)
}

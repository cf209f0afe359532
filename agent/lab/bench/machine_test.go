//go:build bench

package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// document is packaging/docs/benchmarks.md: the machine, and the table.
func document(table string) string {
	var name unix.Utsname
	_ = unix.Uname(&name) // fails only for a bad pointer
	return fmt.Sprintf(`# Benchmarks

Made by %s on %s of commit %s. [development.md](development.md) says how to read it.

- host: %s
- measured in: %s, %d processors, Linux %s
- %s

%s`, "`make bench`", time.Now().UTC().Format("2006-01-02 15:04 UTC"), *commit, *machine,
		processor(), runtime.NumCPU(), unix.ByteSliceToString(name.Release[:]), runtime.Version(), table)
}

// processor is what the kernel calls the processor: under TCG it says so.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

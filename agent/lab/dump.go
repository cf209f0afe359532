package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Dump returns the host's links, addresses, routes, rules and net.ipv4.conf values as text, one thing a line, for
// comparisons before and after. Nothing is in it that changes by itself, or that cannot be undone: no counters, no
// interface numbers, no IPv6 address's state, no queueing discipline. Making it changes nothing either; above all it
// never asks for a link by name, which would have the kernel load ipip.
func (h *Host) Dump(ctx context.Context) (string, error) {
	var dump strings.Builder
	for _, args := range [][]string{
		{"-d", "-o", "link", "show"},
		{"-o", "addr", "show"},
		{"-4", "route", "show", "table", "all"},
		{"-4", "rule", "show"},
	} {
		text, err := h.Run(ctx, "ip", args...)
		if err != nil {
			return "", err
		}
		dump.WriteString("# ip " + strings.Join(args, " ") + "\n" + stable(text))
	}
	var conf string
	err := h.Do(func() (err error) {
		conf, err = readConf("/proc/sys/net/ipv4/conf")
		return err
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", h.Name, err)
	}
	return dump.String() + "# net.ipv4.conf\n" + conf, nil
}

// stable takes out of ip's output what differs between two readings of the same state.
func stable(text string) string {
	index := regexp.MustCompile(`^\d+: `)
	peer := regexp.MustCompile(`@(if\d+|NONE):`)
	// A device that has been up once keeps its queueing discipline and its IPv6 side for good.
	past := regexp.MustCompile(` (qdisc|addrgenmode) \S+`)
	detection := regexp.MustCompile(` (tentative|dadfailed|optimistic)\b`)
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.ReplaceAll(strings.TrimRight(line, " \n"), "\\", "")
		line = index.ReplaceAllString(line, "")
		line = peer.ReplaceAllString(line, ":")
		line = past.ReplaceAllString(line, "")
		line = detection.ReplaceAllString(line, "")
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n") + "\n"
}

// readConf reads every value below dir, sorted by name. A device may go while it reads; what is gone is left out.
func readConf(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		return "", err
	}
	slices.Sort(files)
	var out strings.Builder
	for _, file := range files {
		value, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		key := strings.TrimPrefix(file, dir+"/")
		fmt.Fprintf(&out, "%s = %s\n", key, strings.TrimSpace(string(value)))
	}
	return out.String(), nil
}

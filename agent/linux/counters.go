package linux

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
)

// counterFiles are the kernel's counters of one network namespace. They are
// kept open, because /proc/net belongs to the namespace of the thread that
// opens it, and not of the one that reads.
type counterFiles struct {
	snmp, netstat, dev *os.File
}

func openCounters() (counterFiles, error) {
	var c counterFiles
	for _, f := range []struct {
		into **os.File
		name string
	}{{&c.snmp, "snmp"}, {&c.netstat, "netstat"}, {&c.dev, "dev"}} {
		file, err := os.Open("/proc/thread-self/net/" + f.name)
		if err != nil {
			_ = c.close()
			return counterFiles{}, fmt.Errorf("counters: %w", err)
		}
		*f.into = file
	}
	return c, nil
}

func (c counterFiles) close() error {
	var errs []error
	for _, f := range []*os.File{c.snmp, c.netstat, c.dev} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// read returns all counters under the names that nstat(8) prints
// (IpInUnknownProtos, TcpExtIPReversePathFilter …), and the packets received
// by each device as rx/<device>.
func (c counterFiles) read() (map[string]uint64, error) {
	out := make(map[string]uint64, 512)
	for _, f := range []struct {
		file  *os.File
		parse func(map[string]uint64, io.Reader) error
	}{{c.snmp, parseSNMP}, {c.netstat, parseSNMP}, {c.dev, parseDevices}} {
		// A section at 0 and no seek, so that two readers do not meet.
		if err := f.parse(out, io.NewSectionReader(f.file, 0, math.MaxInt64)); err != nil {
			return nil, fmt.Errorf("%s: %w", f.file.Name(), err)
		}
	}
	return out, nil
}

// parseSNMP adds what /proc/net/snmp and /proc/net/netstat say: pairs of
// lines, the names and then the values, both after the same prefix
// (net/ipv4/proc.c). A value below zero is a setting and no counter
// (TcpMaxConn), and left out.
func parseSNMP(into map[string]uint64, text io.Reader) error {
	lines := newLines(text)
	for lines.Scan() {
		prefix, names, ok := strings.Cut(lines.Text(), ":")
		if !ok {
			return fmt.Errorf("line %q: want a prefix and a colon", lines.Text())
		}
		if !lines.Scan() {
			return errors.Join(lines.Err(), fmt.Errorf("%s: %w", prefix, io.ErrUnexpectedEOF))
		}
		again, values, _ := strings.Cut(lines.Text(), ":")
		if again != prefix {
			return fmt.Errorf("%s: values are for %q", prefix, again)
		}
		if err := pair(into, prefix, strings.Fields(names), strings.Fields(values)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func pair(into map[string]uint64, prefix string, names, values []string) error {
	if len(names) != len(values) {
		return fmt.Errorf("%s: %d names and %d values", prefix, len(names), len(values))
	}
	for i, name := range names {
		if strings.HasPrefix(values[i], "-") {
			continue
		}
		v, err := strconv.ParseUint(values[i], 10, 64)
		if err != nil {
			return fmt.Errorf("%s%s: %w", prefix, name, err)
		}
		into[prefix+name] = v
	}
	return nil
}

// parseDevices adds the received packets of each line of /proc/net/dev, the
// second number after the name (net/core/net-procfs.c). A device's name holds
// no colon and no space. The two lines of headings have bars.
func parseDevices(into map[string]uint64, text io.Reader) error {
	lines := newLines(text)
	for lines.Scan() {
		name, numbers, ok := strings.Cut(lines.Text(), ":")
		if !ok && strings.Contains(name, "|") {
			continue
		}
		fields := strings.Fields(numbers)
		if !ok || len(fields) < 2 {
			return fmt.Errorf("line %q: want a device and its numbers", lines.Text())
		}
		v, err := strconv.ParseUint(fields[1], 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(name), err)
		}
		into["rx/"+strings.TrimSpace(name)] = v
	}
	return lines.Err()
}

// newLines returns a scanner with room for the line of TcpExt, which has grown
// past two kilobytes.
func newLines(text io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(text)
	s.Buffer(make([]byte, 0, 16<<10), 1<<20)
	return s
}

package config

import (
	"cmp"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"rsagent/agent"
)

// Config is the effective configuration. It is only ever valid: [Parse],
// [Load] and [FromVIPs] return the zero Config together with any problem.
type Config struct {
	// Desired is in the form of [agent.Desired.Normal]. AnySender is true if
	// it comes from a file that names no directors.
	Desired agent.Desired
	// Services must answer for their VIP to be ready; ordered by VIP, port
	// and path, without duplicates.
	Services []Service
	// Interval is the time between two looks at what the kernel does not
	// announce.
	Interval time.Duration
	// WatchConfig is true if a changed file is to be read again by itself.
	WatchConfig bool
	// AllowEmpty is true if there may be no VIP at all.
	AllowEmpty bool
	Probe      Probe
	Health     Health
	Hook       Hook
	Log        Log
}

// A Service is something that must answer on a VIP.
type Service struct {
	VIP  netip.Addr
	Port uint16
	HTTP string // the path of a request; empty means that a TCP connect is enough
}

func (s Service) compare(o Service) int {
	return cmp.Or(s.VIP.Compare(o.VIP), cmp.Compare(s.Port, o.Port), cmp.Compare(s.HTTP, o.HTTP))
}

// Probe is about the proof of the data path by a real packet.
type Probe struct {
	Interval time.Duration // 0 turns it off
}

// Health is about the HTTP endpoint.
type Health struct {
	Listen string // ":port" or "address:port"; empty means off
	// AgentCheck is where HAProxy's agent check is answered, in the same form.
	AgentCheck string
	Rise       int // good evaluations in a row before ready
	Fall       int // bad evaluations in a row before not ready
}

// Log is about the log; the words are those of the file.
type Log struct {
	Level  string // debug, info, warning or error
	Format string // text or json
}

// Load reads and parses the file at path. The error is either a [Problems] or
// that of reading, which satisfies errors.Is(err, fs.ErrNotExist) if there is
// no such file. Of a file that is too large only the beginning is read.
func Load(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return Config{}, err
	}
	c, problems := Parse(path, data)
	if len(problems) > 0 {
		return Config{}, problems
	}
	return c, nil
}

// Parse returns the configuration in data, or else everything that is wrong
// with it, sorted by position; exactly one of the two is non-zero. The name
// stands for the file in problems. It reads nothing but its arguments, and its
// time is bounded: data of more than [MaxSize] bytes is refused unread, and
// aliases multiply to no more than a million values.
func Parse(name string, data []byte) (Config, Problems) {
	p := &parser{file: name, vips: map[netip.Addr]place{}, directors: map[netip.Addr]place{}}
	c := defaults()
	if top := p.document(data); top != nil {
		p.config(top, &c)
	}
	if len(p.problems) > 0 {
		p.problems.sort()
		return Config{}, p.problems
	}
	c.Desired = c.Desired.Normal()
	slices.SortFunc(c.Services, Service.compare)
	return c, nil
}

// FromVIPs returns the configuration with these VIPs and defaults for all
// else. There is no way to name directors here, so AnySender is false. The
// error is a [Problems] in the order of the addresses.
func FromVIPs(vips []string) (Config, error) {
	c := defaults()
	var problems Problems
	seen := map[netip.Addr]bool{}
	for _, text := range vips {
		addr, wrong := parseAddr(text)
		if wrong == "" && seen[addr] {
			wrong = "is given twice"
		}
		if wrong != "" {
			problems = append(problems, Problem{
				File: "--vip " + printable(text), Message: strings.TrimPrefix(wrong, "is "),
			})
			continue
		}
		seen[addr] = true
		c.Desired.VIPs = append(c.Desired.VIPs, addr)
	}
	if len(vips) == 0 {
		problems = Problems{{File: "--vip", Message: "no address given: want at least one"}}
	}
	if len(problems) > 0 {
		return Config{}, problems
	}
	c.Desired = c.Desired.Normal()
	return c, nil
}

// defaults returns the configuration of a file that names nothing.
func defaults() Config {
	return Config{
		Desired:  agent.Desired{Device: agent.DefaultDevice, Persist: true},
		Interval: time.Second,
		Probe:    Probe{Interval: 5 * time.Second},
		Health:   Health{Listen: ":9811", Rise: 2, Fall: 1},
		Hook:     Hook{Timeout: 5 * time.Second},
		Log:      Log{Level: "info", Format: "text"},
	}
}

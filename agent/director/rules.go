package director

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// rules is one service of a saved table, with its servers.
type rules struct {
	service Service
	servers []RealServer
}

// writeRules writes the table as `ipvsadm -Sn` does, byte for byte, in the order given.
func writeRules(w io.Writer, list []ServiceStatus) error {
	var b strings.Builder
	for _, s := range list {
		b.WriteString(op{verb: addService, service: s}.rule() + "\n")
		for _, rs := range s.Servers {
			b.WriteString(op{verb: addServer, service: s, server: rs}.rule() + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// parseRules reads what writeRules writes. It is strict: everything it does not understand, and every rule that
// [Service.Validate] or [RealServer.ValidateFor] refuses, is an error that names its line, and all of them are
// reported at once. Empty lines, and those that begin with #, are skipped.
func parseRules(r io.Reader) ([]rules, error) {
	var p ruleParser
	lines := bufio.NewScanner(r)
	n := 0
	for lines.Scan() {
		n++
		if err := p.line(strings.Fields(lines.Text())); err != nil {
			p.errs = append(p.errs, fmt.Errorf("line %d: %w", n, oneLine(err)))
		}
	}
	if err := lines.Err(); err != nil {
		p.errs = append(p.errs, fmt.Errorf("line %d: %w", n+1, err))
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return p.rules, nil
}

// oneLine keeps the reasons for refusing one line of a file on one line of the report.
func oneLine(err error) error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return err
	}
	return lineError{err}
}

type lineError struct{ error }

func (e lineError) Error() string { return strings.ReplaceAll(e.error.Error(), "\n", "; ") }
func (e lineError) Unwrap() error { return e.error }

type ruleParser struct {
	rules []rules
	errs  []error
}

func (p *ruleParser) line(words []string) error {
	if len(words) == 0 || strings.HasPrefix(words[0], "#") {
		return nil
	}
	switch words[0] {
	case "-A":
		return p.addService(words[1:])
	case "-a":
		return p.addServer(words[1:])
	}
	return fmt.Errorf("%q: a rule begins with -A or -a", words[0])
}

func (p *ruleParser) addService(words []string) error {
	o, err := parseOptions(words, "-t", "-u", "-s")
	if err != nil {
		return err
	}
	s, err := o.service()
	if err != nil {
		return err
	}
	s.Scheduler = o["-s"]
	if err := s.Validate(); err != nil {
		return err
	}
	if p.find(s) != nil {
		return fmt.Errorf("%s: the service exists already", s)
	}
	p.rules = append(p.rules, rules{service: s})
	return nil
}

func (p *ruleParser) addServer(words []string) error {
	o, err := parseOptions(words, "-t", "-u", "-r", "-i", "-w", "--tun-type")
	if err != nil {
		return err
	}
	s, err := o.service()
	if err != nil {
		return err
	}
	rs, err := o.server()
	if err != nil {
		return err
	}
	if err := errors.Join(s.validateKey(), rs.ValidateFor(s)); err != nil {
		return err
	}
	rs.Port = rs.effectivePort(s)
	of := p.find(s)
	if of == nil {
		return fmt.Errorf("%s: no such service above this line", s)
	}
	if slices.ContainsFunc(of.servers, func(have RealServer) bool { return have.RIP == rs.RIP }) {
		return fmt.Errorf("%s: the real server %s exists already", s, rs.RIP)
	}
	of.servers = append(of.servers, rs)
	return nil
}

func (p *ruleParser) find(s Service) *rules {
	i := slices.IndexFunc(p.rules, func(r rules) bool { return r.service.key() == s.key() })
	if i < 0 {
		return nil
	}
	return &p.rules[i]
}

// options are the options of one rule, by name; a switch has an empty value.
type options map[string]string

// parseOptions refuses an option that is not allowed, one that comes twice, and one without its value.
func parseOptions(words []string, allowed ...string) (options, error) {
	o := make(options)
	for i := 0; i < len(words); i++ {
		name := words[i]
		if reason := unsupported(name); reason != "" {
			return nil, fmt.Errorf("option %s: %s", name, reason)
		}
		if !slices.Contains(allowed, name) {
			return nil, fmt.Errorf("option %q: allowed here are %s", name, strings.Join(allowed, " "))
		}
		if _, twice := o[name]; twice {
			return nil, fmt.Errorf("option %s: given twice", name)
		}
		o[name] = ""
		if name == "-i" {
			continue
		}
		if i++; i == len(words) {
			return nil, fmt.Errorf("option %s: its value is missing", name)
		}
		o[name] = words[i]
	}
	return o, nil
}

// unsupported names what ipvsadm knows and this package does not do.
func unsupported(option string) string {
	switch option {
	case "-m", "-g":
		return "only tunnels (-i) are supported"
	case "-f", "-6", "--sctp-service":
		return "only TCP (-t) and UDP (-u) services are supported"
	case "-p", "-M", "--pe":
		return "persistence is not supported"
	case "-o", "-b", "-x", "-y":
		return "not supported"
	}
	return ""
}

func (o options) service() (Service, error) {
	tcp, isTCP := o["-t"]
	udp, isUDP := o["-u"]
	if isTCP == isUDP {
		return Service{}, errors.New("a service is either -t VIP:PORT or -u VIP:PORT")
	}
	s, text := Service{Protocol: TCP}, tcp
	if isUDP {
		s.Protocol, text = UDP, udp
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return Service{}, fmt.Errorf("service %q: want VIP:PORT in numbers", text)
	}
	s.VIP, s.Port = at.Addr(), at.Port()
	return s, nil
}

// server reads a real server. As in ipvsadm, a missing port is the service's, a missing weight is 1, and a missing
// forwarding method is not the tunnel.
func (o options) server() (RealServer, error) {
	rs := RealServer{Weight: 1}
	if _, tunnel := o["-i"]; !tunnel {
		return rs, errors.New("option -i is missing: only tunnels are supported")
	}
	if kind, given := o["--tun-type"]; given && kind != "ipip" {
		return rs, fmt.Errorf("tunnel type %q: only ipip is supported", kind)
	}
	if err := rs.parseAddress(o["-r"]); err != nil {
		return rs, err
	}
	if text, given := o["-w"]; given {
		weight, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return rs, fmt.Errorf("weight %q: allowed are 0 to %d", text, MaxWeight)
		}
		rs.Weight = int(weight)
	}
	return rs, nil
}

func (rs *RealServer) parseAddress(text string) error {
	if addr, err := netip.ParseAddr(text); err == nil {
		rs.RIP = addr
		return nil
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return fmt.Errorf("real server %q: want RIP or RIP:PORT in numbers", text)
	}
	if at.Port() == 0 {
		// Written out, 0 is a port of its own, and not the service's.
		return fmt.Errorf("real server %q: port 0, allowed are 1 to 65535", text)
	}
	rs.RIP, rs.Port = at.Addr(), at.Port()
	return nil
}

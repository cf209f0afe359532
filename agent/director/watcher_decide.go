package director

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// outcome is what one question told.
type outcome uint8

const (
	ready    outcome = iota
	notReady         // or nobody there
	unasked          // the question was never sent: no reason to think anything
)

// standing is what is believed of a server, and how much speaks against it.
type standing struct {
	out     bool // as opposed to in service
	against int  // outcomes in a row that contradict out
}

// step is what is to be done about a server's weight.
type step uint8

const (
	leave   step = iota // as it is
	quiesce             // weight 0
	restore             // the configured weight
)

// after returns the standing after one more outcome, and what the weight should be by it. It is asked after every
// outcome, and answers with what should be and not only with what is new: so a change that could not be made is made
// later. A weight is never raised on anything but an answer of ready.
func (s standing) after(o outcome, rise, fall int) (standing, step) {
	switch {
	case o == unasked:
		return s, leave
	case s.out == (o == notReady):
		s.against = 0
	default:
		s.against++
		needed := fall
		if s.out {
			needed = rise
		}
		if s.against >= needed {
			s = standing{out: !s.out}
		}
	}
	switch {
	case s.out:
		return s, quiesce
	case o == ready:
		return s, restore
	}
	return s, leave
}

// target is the weight after a step.
func (p *place) target(s step) int {
	switch s {
	case quiesce:
		return 0
	case restore:
		return p.configured
	}
	return p.weight
}

// Limits of the options: shorter is a load, longer is not a watch.
const (
	minInterval = 10 * time.Millisecond
	maxInterval = time.Hour
	maxCount    = 1000 // of Rise and Fall
)

// validateWatch returns every reason why these pools cannot be watched in this way, joined.
func validateWatch(pools []Pool, o WatcherOptions) error {
	errs := []error{
		validateBetween("interval", o.Interval, minInterval, maxInterval),
		validateBetween("timeout", o.Timeout, minInterval, maxInterval),
		validateBetween("rise", o.Rise, 1, maxCount),
		validateBetween("fall", o.Fall, 1, maxCount),
	}
	services := make(map[serviceKey]bool)
	for _, pool := range pools {
		if err := validatePool(pool, o.URL); err != nil {
			errs = append(errs, fmt.Errorf("service %s: %w", pool.Service, err))
		}
		if services[pool.Service.key()] {
			errs = append(errs, fmt.Errorf("service %s: twice", pool.Service))
		}
		services[pool.Service.key()] = true
	}
	return errors.Join(errs...)
}

func validatePool(pool Pool, ask func(rip, vip netip.Addr) string) error {
	if err := pool.Service.validateKey(); err != nil {
		return err
	}
	var errs []error
	seen := make(map[netip.Addr]bool)
	for _, rs := range pool.Servers {
		err := rs.ValidateFor(pool.Service)
		if err == nil {
			err = validateURL(ask(rs.RIP, pool.Service.VIP))
		}
		if err == nil && seen[rs.RIP] {
			err = errors.New("twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("real server %s: %w", rs.RIP, err))
		}
		seen[rs.RIP] = true
	}
	return errors.Join(errs...)
}

func validateURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return err // names the URL
	}
	if scheme := strings.ToLower(u.Scheme); scheme != "http" && scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q: want a URL such as http://172.25.84.2:9811/readyz", text)
	}
	return nil
}

func validateBetween[T cmp.Ordered](name string, got, least, most T) error {
	if got < least || got > most {
		return fmt.Errorf("%s %v: allowed are %v to %v", name, got, least, most)
	}
	return nil
}

package director

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/cloudflare/ipvs"
	"github.com/google/go-cmp/cmp"
)

// What the kernel would get for a status, and give back, is that status.
func TestKernelFormRoundTrip(t *testing.T) {
	for _, want := range foreignTable() {
		servers := want.Servers
		want.Servers = nil
		k := toService(want)
		k.Flags |= ipvs.ServiceHashed // the kernel adds it
		got := fromService(ipvs.ServiceExtended{Service: k})
		if diff := cmp.Diff(want, got, netipEqual); diff != "" {
			t.Errorf("%s (-want +got):\n%s", serviceName(want), diff)
		}
		for _, want := range servers {
			got := fromDestination(ipvs.DestinationExtended{Destination: toDestination(want)})
			if diff := cmp.Diff(want, got, netipEqual); diff != "" {
				t.Errorf("%s (-want +got):\n%s", want.RIP, diff)
			}
		}
	}
}

// fakeClient answers with what a test gives it; a call that must not happen is a nil function, which panics.
type fakeClient struct {
	ipvs.Client
	services     func() ([]ipvs.ServiceExtended, error)
	service      func(ipvs.Service) (ipvs.ServiceExtended, error)
	destinations func(ipvs.Service) ([]ipvs.DestinationExtended, error)
}

func (f fakeClient) Services() ([]ipvs.ServiceExtended, error)            { return f.services() }
func (f fakeClient) Service(s ipvs.Service) (ipvs.ServiceExtended, error) { return f.service(s) }
func (f fakeClient) Destinations(s ipvs.Service) ([]ipvs.DestinationExtended, error) {
	return f.destinations(s)
}

// kernelSays wraps an errno as the library does.
func kernelSays(errno syscall.Errno) error {
	return fmt.Errorf("netlink receive: %w", os.NewSyscallError("recvmsg", errno))
}

func TestReadTellsEmptyFromMissing(t *testing.T) {
	key := web("").key()
	one := ipvs.ServiceExtended{Service: toService(ServiceStatus{Service: web("rr")})}
	for _, c := range []struct {
		name   string
		client fakeClient
		only   *serviceKey
		want   int
		err    error
	}{
		{"empty table", fakeClient{services: func() ([]ipvs.ServiceExtended, error) { return nil, fs.ErrNotExist }}, nil, 0, nil},
		{"module gone", fakeClient{services: func() ([]ipvs.ServiceExtended, error) { return nil, kernelSays(syscall.ENOENT) }}, nil, 0, syscall.ENOENT},
		{"no such service", fakeClient{service: func(ipvs.Service) (ipvs.ServiceExtended, error) {
			return ipvs.ServiceExtended{}, kernelSays(syscall.ESRCH)
		}}, &key, 0, nil},
		{"not permitted", fakeClient{service: func(ipvs.Service) (ipvs.ServiceExtended, error) {
			return ipvs.ServiceExtended{}, kernelSays(syscall.EPERM)
		}}, &key, 0, fs.ErrPermission},
		{"service without servers", fakeClient{
			service:      func(ipvs.Service) (ipvs.ServiceExtended, error) { return one, nil },
			destinations: func(ipvs.Service) ([]ipvs.DestinationExtended, error) { return nil, os.ErrNotExist },
		}, &key, 1, nil},
		{"servers not readable", fakeClient{
			services:     func() ([]ipvs.ServiceExtended, error) { return []ipvs.ServiceExtended{one}, nil },
			destinations: func(ipvs.Service) ([]ipvs.DestinationExtended, error) { return nil, kernelSays(syscall.ENOMEM) },
		}, nil, 0, syscall.ENOMEM},
	} {
		got, err := kernelTable{c.client}.read(c.only)
		if len(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: want %d services and %v, got %v and %v", c.name, c.want, c.err, got, err)
		}
	}
	if !errors.Is(explainRead(kernelSays(syscall.ENOENT)), ErrNoIPVS) {
		t.Error("ENOENT of a read: want ErrNoIPVS")
	}
}

func TestCloseWithoutCloser(t *testing.T) {
	ok(t, kernelTable{fakeClient{}}.close())
	if err := (kernelTable{fakeClient{}}).apply(op{verb: 99}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("unknown command: want EINVAL, got %v", err)
	}
}

package director

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

// patient is a test connection that takes a deadline.
type patient struct{ *netlink.Conn }

func (patient) SetDeadline(time.Time) error { return nil }

// fakeRoute answers the question for device dir0 with index 7, and every change with the errno.
func fakeRoute(t *testing.T, errno syscall.Errno, changes *[]netlink.Message) kernelNIC {
	t.Helper()
	n := kernelNIC{conn: patient{nltest.Dial(func(request []netlink.Message) ([]netlink.Message, error) {
		if len(request) == 0 {
			return nil, nil
		}
		if request[0].Header.Type != unix.RTM_GETLINK {
			*changes = append(*changes, request[0])
			request[0].Header.Flags = 0 // in an answer the bit of Excl means something else
			return nltest.Error(int(errno), request)
		}
		ad, err := netlink.NewAttributeDecoder(request[0].Data[ifinfomsgLen:])
		ok(t, err)
		if !ad.Next() || ad.Type() != unix.IFLA_IFNAME || ad.String() != "dir0" {
			return nltest.Error(int(syscall.ENODEV), request)
		}
		link := make([]byte, ifinfomsgLen)
		link[4] = 7
		return []netlink.Message{{Header: request[0].Header, Data: link}}, nil
	})}}
	t.Cleanup(func() { ok(t, n.close()) })
	return n
}

func TestAddressRequests(t *testing.T) {
	var sent []netlink.Message
	n := fakeRoute(t, 0, &sent)
	ok(t, n.add("dir0", vip))
	ok(t, n.remove("dir0", vip))
	// ifaddrmsg: AF_INET, /32, no flags, scope global, index 7; IFA_LOCAL and IFA_ADDRESS of 8 bytes each.
	body := []byte{2, 32, 0, 0, 7, 0, 0, 0, 8, 0, 2, 0, 172, 25, 84, 100, 8, 0, 1, 0, 172, 25, 84, 100}
	if len(sent) != 2 {
		t.Fatalf("want 2 changes, got %v", sent)
	}
	for i, kind := range []netlink.HeaderType{unix.RTM_NEWADDR, unix.RTM_DELADDR} {
		if sent[i].Header.Type != kind {
			t.Errorf("change %d: want type %d, got %d", i, kind, sent[i].Header.Type)
		}
		if diff := cmp.Diff(body, sent[i].Data); diff != "" {
			t.Errorf("change %d (-want +got):\n%s", i, diff)
		}
	}
	if want := netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Excl; sent[0].Header.Flags != want {
		t.Errorf("flags: want %v, got %v", want, sent[0].Header.Flags)
	}
}

func TestAddressAnswers(t *testing.T) {
	for _, c := range []struct {
		errno       syscall.Errno
		add, remove error
	}{
		{0, nil, nil},
		{syscall.EEXIST, nil, syscall.EEXIST},
		{syscall.EADDRNOTAVAIL, syscall.EADDRNOTAVAIL, nil},
		{syscall.EPERM, fs.ErrPermission, fs.ErrPermission},
	} {
		n := fakeRoute(t, c.errno, new([]netlink.Message))
		if err := n.add("dir0", vip); !errors.Is(err, c.add) {
			t.Errorf("add, %v: want %v, got %v", c.errno, c.add, err)
		}
		if err := n.remove("dir0", vip); !errors.Is(err, c.remove) {
			t.Errorf("remove, %v: want %v, got %v", c.errno, c.remove, err)
		}
		if err := n.add("dir1", vip); !errors.Is(err, syscall.ENODEV) {
			t.Errorf("another device: want ENODEV, got %v", err)
		}
	}
	if _, err := linkIndex(nil); text(err) != "link message of 0 bytes: too short" {
		t.Errorf("short message: got %v", err)
	}
}

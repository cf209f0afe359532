package director

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// answerTimeout bounds the wait for the kernel's answer to one request, which it gives in microseconds.
const answerTimeout = 5 * time.Second

// kernelNIC reaches the addresses of network devices over rtnetlink.
type kernelNIC struct{ conn route }

// route is the part of *netlink.Conn that is used; the library's own test connection lacks deadlines.
type route interface {
	Execute(netlink.Message) ([]netlink.Message, error)
	SetDeadline(time.Time) error
	Close() error
}

func openNIC() (kernelNIC, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	return kernelNIC{conn: conn}, err
}

func (n kernelNIC) close() error { return n.conn.Close() }

func (n kernelNIC) add(device string, vip netip.Addr) error {
	flags := netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Excl
	err := n.change(unix.RTM_NEWADDR, flags, device, vip)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

func (n kernelNIC) remove(device string, vip netip.Addr) error {
	err := n.change(unix.RTM_DELADDR, netlink.Request|netlink.Acknowledge, device, vip)
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil
	}
	return err
}

func (n kernelNIC) change(kind uint16, flags netlink.HeaderFlags, device string, vip netip.Addr) error {
	if err := n.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	index, err := n.index(device)
	if err != nil {
		return err
	}
	_, err = n.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: flags},
		Data:   addressMessage(index, vip),
	})
	return explainNIC(err)
}

// index looks the device up by name. Asked over netlink, the kernel only looks; asked by ioctl it would load a module
// for a name that it does not know.
func (n kernelNIC) index(device string) (uint32, error) {
	answer, err := n.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request},
		Data:   linkMessage(device),
	})
	if err != nil {
		return 0, explainNIC(err)
	}
	if len(answer) != 1 {
		return 0, fmt.Errorf("%d answers to one question", len(answer))
	}
	return linkIndex(answer[0].Data)
}

// explainNIC leaves the kernel's answer, and what to do about a missing privilege.
func explainNIC(err error) error {
	cause := errnoOf(err)
	if errors.Is(cause, unix.EPERM) {
		return fmt.Errorf("%w (%s)", cause, needAdmin)
	}
	return cause
}

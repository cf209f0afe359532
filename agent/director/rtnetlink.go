package director

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// The few numbers of linux/rtnetlink.h, linux/if_link.h and linux/if_addr.h that two messages need.
const (
	inet = 2 // AF_INET

	ifinfomsgLen = 16
	iflaIfname   = 3

	ifaAddress = 1
	ifaLocal   = 2

	maxDevice = 15 // IFNAMSIZ of linux/if.h, less the terminating zero
)

// validateDevice refuses what cannot be a device's name: dev_valid_name in net/core/dev.c.
func validateDevice(name string) error {
	if name == "" || len(name) > maxDevice || name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n\v\f\r\x00") {
		return fmt.Errorf("device %q: allowed are 1 to %d characters without slash, colon or space", name, maxDevice)
	}
	return nil
}

// linkMessage is the body of an RTM_GETLINK request for one device by name.
func linkMessage(device string) []byte {
	b := make([]byte, ifinfomsgLen, ifinfomsgLen+8+maxDevice+1)
	return appendAttribute(b, iflaIfname, append([]byte(device), 0))
}

// linkIndex reads the device's index from an RTM_NEWLINK message.
func linkIndex(b []byte) (uint32, error) {
	if len(b) < ifinfomsgLen {
		return 0, fmt.Errorf("link message of %d bytes: too short", len(b))
	}
	return binary.NativeEndian.Uint32(b[4:]), nil
}

// addressMessage is the body of an RTM_NEWADDR or RTM_DELADDR request for vip/32, with global scope and, as the kernel
// then has it, the device's name for its label.
func addressMessage(index uint32, vip netip.Addr) []byte {
	b := []byte{inet, 32, 0, 0}
	b = binary.NativeEndian.AppendUint32(b, index)
	b = appendAttribute(b, ifaLocal, vip.AsSlice())
	return appendAttribute(b, ifaAddress, vip.AsSlice())
}

// appendAttribute appends a netlink attribute, padded to four bytes.
func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

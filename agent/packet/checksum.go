package packet

import (
	"encoding/binary"
	"net/netip"
)

// checksum is the Internet checksum of the parts taken one after the other
// (RFC 1071); a part but the last has an even length. Over data that contains
// its own checksum it is 0.
func checksum(parts ...[]byte) uint16 {
	var sum uint32
	for _, b := range parts {
		for ; len(b) >= 2; b = b[2:] {
			sum += uint32(b[0])<<8 | uint32(b[1])
		}
		if len(b) == 1 {
			sum += uint32(b[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// pseudoHeader is what a transport's checksum covers beside its own bytes, in
// the form of RFC 8200, section 8.1. For IPv4 addresses its sum is that of the
// shorter form of RFC 9293, section 3.1.
func pseudoHeader(src, dst netip.Addr, protocol uint8, length int) []byte {
	b := append(src.AsSlice(), dst.AsSlice()...)
	b = binary.BigEndian.AppendUint32(b, uint32(length))
	return append(b, 0, 0, 0, protocol)
}

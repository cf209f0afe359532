package director

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// Render writes the table as `ipvsadm -Ln` prints it, byte for byte, in the order given.
func Render(w io.Writer, i Info, list []ServiceStatus) error {
	var b strings.Builder
	fmt.Fprintf(&b, "IP Virtual Server version %d.%d.%d (size=%d)\n", i.Version[0], i.Version[1], i.Version[2], i.ConnectionTable)
	b.WriteString("Prot LocalAddress:Port Scheduler Flags\n")
	b.WriteString("  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n")
	for _, s := range list {
		b.WriteString(serviceLine(s) + "\n")
		for _, rs := range s.Servers {
			fmt.Fprintf(&b, "  -> %-28s %-7s %-6d %-10d %-10d\n",
				netip.AddrPortFrom(rs.RIP, rs.Port), rs.Forward, rs.Weight, rs.ActiveConnections, rs.InactiveConnections)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func serviceLine(s ServiceStatus) string {
	var b strings.Builder
	switch {
	case s.FWMark != 0 && s.IPv6:
		fmt.Fprintf(&b, "FWM  %d IPv6", s.FWMark)
	case s.FWMark != 0:
		fmt.Fprintf(&b, "FWM  %d", s.FWMark)
	default:
		fmt.Fprintf(&b, "%-4s %s", s.Protocol, netip.AddrPortFrom(s.VIP, s.Port))
	}
	b.WriteString(" " + s.Scheduler)
	if s.SchedulerFlags != 0 {
		fmt.Fprintf(&b, " (%s)", s.SchedulerFlags.names(s.Scheduler))
	}
	if s.Persistence != 0 {
		fmt.Fprintf(&b, " persistent %d", int64(s.Persistence.Seconds()))
		if s.PersistenceMask != "" {
			b.WriteString(" mask " + s.PersistenceMask)
		}
	}
	if s.OnePacket {
		b.WriteString(" ops")
	}
	return b.String()
}

// names spells the flags out in ipvsadm's words, separated by commas. Only sh and mh have words of their own, and only
// for two of the bits.
func (f SchedulerFlags) names(scheduler string) string {
	words := [3]string{"flag-1", "flag-2", "flag-3"}
	if scheduler == "sh" || scheduler == "mh" {
		words = [3]string{scheduler + "-fallback", scheduler + "-port", ""}
	}
	var set []string
	for bit, word := range words {
		if f&(1<<bit) != 0 && word != "" {
			set = append(set, word)
		}
	}
	return strings.Join(set, ",")
}

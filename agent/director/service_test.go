package director

import (
	"net/netip"
	"testing"
)

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestServiceValidate(t *testing.T) {
	for _, c := range []struct {
		vip       string
		port      uint16
		protocol  Protocol
		scheduler string
		want      string
	}{
		{"172.25.84.100", 1, TCP, "rr", ""},
		{"203.0.113.1", 65535, UDP, "mh", ""},
		{"169.254.1.1", 80, TCP, "sed", ""},
		{"0.0.0.0", 80, TCP, "rr", "VIP 0.0.0.0: not a host address"},
		{"0.1.2.3", 80, TCP, "rr", "VIP 0.1.2.3: not a host address"},
		{"127.0.0.1", 80, TCP, "rr", "VIP 127.0.0.1: loopback"},
		{"224.0.0.18", 80, TCP, "rr", "VIP 224.0.0.18: multicast"},
		{"240.0.0.1", 80, TCP, "rr", "VIP 240.0.0.1: reserved or broadcast"},
		{"255.255.255.255", 80, TCP, "rr", "VIP 255.255.255.255: reserved or broadcast"},
		{"2001:db8::1", 80, TCP, "rr", "VIP 2001:db8::1: IPv6 is not supported yet"},
		{"::ffff:192.0.2.1", 80, TCP, "rr", "VIP ::ffff:192.0.2.1: IPv6 is not supported yet"},
		{"", 80, TCP, "rr", "VIP missing"},
		{"172.25.84.100", 0, TCP, "rr", "service port 0: allowed are 1 to 65535"},
		{"172.25.84.100", 80, 0, "rr", "protocol 0: allowed are TCP and UDP"},
		{"172.25.84.100", 80, sctp, "rr", "protocol 132: allowed are TCP and UDP"},
		{"172.25.84.100", 80, TCP, "", `scheduler "": allowed are 1 to 15 characters, such as rr, wrr, lc, wlc, sh, mh`},
		{"172.25.84.100", 80, TCP, "sixteencharacter", `scheduler "sixteencharacter": allowed are 1 to 15 characters, such as rr, wrr, lc, wlc, sh, mh`},
		{"172.25.84.100", 80, TCP, "r r", `scheduler "r r": allowed are lower-case letters, digits and _`},
		{"172.25.84.100", 0, 9, "RR", "service port 0: allowed are 1 to 65535\nprotocol 9: allowed are TCP and UDP\n" +
			`scheduler "RR": allowed are lower-case letters, digits and _`},
	} {
		s := Service{Port: c.port, Protocol: c.protocol, Scheduler: c.scheduler}
		if c.vip != "" {
			s.VIP = netip.MustParseAddr(c.vip)
		}
		if got := text(s.Validate()); got != c.want {
			t.Errorf("%+v:\nwant %q\n got %q", s, c.want, got)
		}
	}
}

func TestRealServerValidateFor(t *testing.T) {
	for _, c := range []struct {
		rs   RealServer
		want string
	}{
		{RealServer{RIP: rs1}, ""},
		{RealServer{RIP: rs1, Port: 80, Weight: MaxWeight}, ""},
		{RealServer{}, "RIP missing"},
		{RealServer{RIP: vip}, "RIP 172.25.84.100: is the VIP itself"},
		{RealServer{RIP: netip.MustParseAddr("127.0.0.1")}, "RIP 127.0.0.1: loopback"},
		{RealServer{RIP: netip.MustParseAddr("::1")}, "RIP ::1: IPv6 is not supported yet"},
		{RealServer{RIP: rs1, Port: 81}, "real server port 81, service port 80: TUN maps no ports"},
		{RealServer{RIP: rs1, Weight: -1}, "weight -1: allowed are 0 to 65535"},
		{RealServer{RIP: vip, Port: 81, Weight: 65536}, "RIP 172.25.84.100: is the VIP itself\n" +
			"real server port 81, service port 80: TUN maps no ports\nweight 65536: allowed are 0 to 65535"},
	} {
		if got := text(c.rs.ValidateFor(web("rr"))); got != c.want {
			t.Errorf("%+v:\nwant %q\n got %q", c.rs, c.want, got)
		}
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		web("rr").String():   "TCP 172.25.84.100:80",
		UDP.String():         "UDP",
		sctp.String():        "SCTP",
		Protocol(1).String(): "?",
		serviceName(ServiceStatus{Service: Service{VIP: vip, Port: 1, Protocol: 1}}): "--xxx-service 172.25.84.100:1",
		op{verb: deleteServer, service: ServiceStatus{Service: web("")}, server: tunnel(rs1, 80, 1)}.String():
		/**/ "ipvsadm -d -t 172.25.84.100:80 -r 172.25.84.2:80",
		op{verb: deleteService, service: ServiceStatus{FWMark: 3, IPv6: true}}.String(): "ipvsadm -D -f 3 -6",
	} {
		if got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

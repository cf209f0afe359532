package director

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestParseRules(t *testing.T) {
	const file = `# written by hand

-A -s wlc -t 172.25.84.100:80
-a -r 172.25.84.2 -t 172.25.84.100:80 -i
  -a	-t 172.25.84.100:80 -w 0 -i -r 172.25.84.3:80
-A -u 172.25.84.100:80 -s sed`
	got, err := parseRules(strings.NewReader(file))
	ok(t, err)
	udp := Service{VIP: vip, Port: 80, Protocol: UDP, Scheduler: "sed"}
	want := []rules{
		{service: web("wlc"), servers: []RealServer{{RIP: rs1, Port: 80, Weight: 1}, {RIP: rs2, Port: 80, Weight: 0}}},
		{service: udp},
	}
	if diff := cmp.Diff(want, got, netipEqual, cmp.AllowUnexported(rules{})); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	got, err = parseRules(strings.NewReader(""))
	if len(got) != 0 || err != nil {
		t.Errorf("empty file: want nothing, got %v, %v", got, err)
	}
}

func TestParseRulesErrors(t *testing.T) {
	const service = "-A -t 172.25.84.100:80 -s rr\n"
	const server = "-a -t 172.25.84.100:80 "
	for _, c := range []struct{ file, want string }{
		{"-E -t 172.25.84.100:80 -s rr", `line 1: "-E": a rule begins with -A or -a`},
		{"ipvsadm -A", `line 1: "ipvsadm": a rule begins with -A or -a`},
		{"-A", "line 1: a service is either -t VIP:PORT or -u VIP:PORT"},
		{"-A -t 172.25.84.100:80 -u 172.25.84.100:80 -s rr", "line 1: a service is either -t VIP:PORT or -u VIP:PORT"},
		{"-A -t 172.25.84.100:80", `line 1: scheduler "": allowed are 1 to 15 characters, such as rr, wrr, lc, wlc, sh, mh`},
		{"-A -t 172.25.84.100:80 -s", "line 1: option -s: its value is missing"},
		{"-A -t 172.25.84.100:80 -s rr -s rr", "line 1: option -s: given twice"},
		{"-A -t 172.25.84.100:80 -s rr -z", `line 1: option "-z": allowed here are -t -u -s`},
		{"-A -t 172.25.84.100:80 -s rr -p 300", "line 1: option -p: persistence is not supported"},
		{"-A -t 172.25.84.100:80 -s rr -o", "line 1: option -o: not supported"},
		{"-A -f 1 -s rr", "line 1: option -f: only TCP (-t) and UDP (-u) services are supported"},
		{"-A -t www:http -s rr", `line 1: service "www:http": want VIP:PORT in numbers`},
		{"-A -t 172.25.84.100 -s rr", `line 1: service "172.25.84.100": want VIP:PORT in numbers`},
		{"-A -t 172.25.84.100:65536 -s rr", `line 1: service "172.25.84.100:65536": want VIP:PORT in numbers`},
		{"-A -t 127.0.0.1:0 -s rr", "line 1: VIP 127.0.0.1: loopback; service port 0: allowed are 1 to 65535"},
		{"-A -t [2001:db8::1]:80 -s rr", "line 1: VIP 2001:db8::1: IPv6 is not supported yet"},
		{service + service, "line 2: TCP 172.25.84.100:80: the service exists already"},
		{"-a -t 172.25.84.100:80 -r 172.25.84.2 -i", "line 1: TCP 172.25.84.100:80: no such service above this line"},
		{service + server + "-i", `line 2: real server "": want RIP or RIP:PORT in numbers`},
		{service + server + "-r 172.25.84.2", "line 2: option -i is missing: only tunnels are supported"},
		{service + server + "-r 172.25.84.2 -m", "line 2: option -m: only tunnels (-i) are supported"},
		{service + server + "-r 172.25.84.2 -i -g", "line 2: option -g: only tunnels (-i) are supported"},
		{service + server + "-r 172.25.84.2 -i --tun-type gue", `line 2: tunnel type "gue": only ipip is supported`},
		{service + server + "-r 172.25.84.2 -i -w 65536", `line 2: weight "65536": allowed are 0 to 65535`},
		{service + server + "-r 172.25.84.2 -i -w -1", `line 2: weight "-1": allowed are 0 to 65535`},
		{service + server + "-r 172.25.84.2:0 -i", `line 2: real server "172.25.84.2:0": port 0, allowed are 1 to 65535`},
		{service + server + "-r 172.25.84.2:81 -i", "line 2: real server port 81, service port 80: TUN maps no ports"},
		{service + server + "-r rs1 -i", `line 2: real server "rs1": want RIP or RIP:PORT in numbers`},
		{service + server + "-r 172.25.84.2 -i\n" + server + "-r 172.25.84.2:80 -i",
			"line 3: TCP 172.25.84.100:80: the real server 172.25.84.2 exists already"},
		{service + "\n# all of them\n-x\n" + service, "line 4: \"-x\": a rule begins with -A or -a\nline 5: TCP 172.25.84.100:80: the service exists already"},
	} {
		got, err := parseRules(strings.NewReader(c.file))
		if text(err) != c.want || got != nil {
			t.Errorf("%s\nwant %q\n got %q, %v", c.file, c.want, text(err), got)
		}
	}
}

func TestParseRulesSentinels(t *testing.T) {
	_, err := parseRules(strings.NewReader("-A -t [::1]:80 -s rr\n-A -t 172.25.84.100:80 -s rr\n-a -t 172.25.84.100:80 -r 127.0.0.1:81 -i"))
	if !errors.Is(err, ErrIPv6) || !errors.Is(err, ErrPortMapped) {
		t.Errorf("want ErrIPv6 and ErrPortMapped, got %v", err)
	}
}

func TestParseRulesReadErrors(t *testing.T) {
	_, err := parseRules(iotest.ErrReader(errors.New("disk gone")))
	if text(err) != "line 1: disk gone" {
		t.Errorf("want the reader's error, got %v", err)
	}
	_, err = parseRules(strings.NewReader("#\n" + strings.Repeat("x", 1<<17)))
	if text(err) != "line 2: bufio.Scanner: token too long" {
		t.Errorf("want a line that is too long, got %v", err)
	}
}

// What other programs made is saved, and refused line by line.
func TestForeignRulesAreRefused(t *testing.T) {
	file, err := os.Open("testdata/table.sn")
	ok(t, err)
	defer file.Close()
	_, err = parseRules(file)
	for _, want := range []string{
		"line 4: option -p: persistence is not supported\n",
		"line 10: option -m: only tunnels (-i) are supported",
		"line 19: option -f: only TCP (-t) and UDP (-u) services are supported\n",
	} {
		if !strings.Contains(text(err), want) {
			t.Errorf("want %q in\n%v", want, err)
		}
	}
}

// FuzzRestore: no input makes the parser panic, and what it accepts is written back as the same rules.
func FuzzRestore(f *testing.F) {
	table, err := os.ReadFile("testdata/table.sn")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(saved))
	f.Add(table)
	f.Add([]byte("-A -t 172.25.84.100:80 -s rr\n-a -t 172.25.84.100:80 -r 172.25.84.2 -i -w"))
	f.Fuzz(func(t *testing.T, file []byte) {
		first, err := parseRules(bytes.NewReader(file))
		if err != nil {
			return
		}
		var written bytes.Buffer
		ok(t, writeRules(&written, statusOf(first)))
		second, err := parseRules(&written)
		ok(t, err)
		if diff := cmp.Diff(first, second, netipEqual, cmp.AllowUnexported(rules{})); diff != "" {
			t.Errorf("rules (-first +second):\n%s", diff)
		}
	})
}

func statusOf(table []rules) []ServiceStatus {
	var list []ServiceStatus
	for _, r := range table {
		s := ServiceStatus{Service: r.service}
		for _, rs := range r.servers {
			s.Servers = append(s.Servers, tunnel(rs.RIP, rs.Port, rs.Weight))
		}
		list = append(list, s)
	}
	return list
}

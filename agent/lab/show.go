package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"rsagent/agent/director"
)

// A Show plays the classic scene for somebody to watch: a director and two
// real servers come into service, requests alternate, one real server is
// broken and mends itself, and everything is put back.
type Show struct {
	Rsagent string // path of the program
	Out     io.Writer
}

// Play builds the network, plays, and takes the network away again. It returns
// an error as soon as anything is not as it should be.
func (s Show) Play(ctx context.Context) (err error) {
	state, err := os.MkdirTemp("", "show")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(state)) }()
	n, err := New(ctx, WithWebServers())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	p := &play{Show: s, network: n, ctx: ctx, state: state}
	for _, scene := range []func() error{p.stage, p.direct, p.serve, p.look, p.request, p.breakIt, p.leave} {
		if err := scene(); err != nil {
			return err
		}
	}
	return nil
}

type play struct {
	Show
	ctx     context.Context
	network *Network
	state   string
	config  string
	ipvs    *director.Director
	agents  []*Daemon
	before  string // rs1, before it was touched
}

func (p *play) title(format string, args ...any) {
	fmt.Fprintf(p.Out, "\n== %s\n\n", fmt.Sprintf(format, args...))
}

// print writes text, indented.
func (p *play) print(text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(p.Out, "   %s\n", strings.TrimRight(line, "\n"))
	}
}

func (p *play) stage() error {
	fmt.Fprint(p.Out, `
   client 172.25.84.84 --> director 172.25.84.4 ==IPIP==> rs1 172.25.84.2  www.westos.org
      ^                    VIP 172.25.84.100    ==IPIP==> rs2 172.25.84.3  bbs.westos.org
      +------------------ answers, directly ----------------+
`)
	p.config = filepath.Join(p.state, "rsagent.yaml")
	text := fmt.Sprintf("vips: [%s]\ndirectors: [%s]\n", VIP, DirectorAddr)
	if err := os.WriteFile(p.config, []byte(text), 0o644); err != nil {
		return err
	}
	// Two lines of config are all that the real servers get.
	if _, err := p.network.RS1.Run(p.ctx, "modprobe", "ipip"); err != nil {
		return err
	}
	var err error
	p.before, err = p.network.RS1.Dump(p.ctx)
	return err
}

func (p *play) direct() error {
	p.title("The director: the VIP and IPVS")
	if _, err := p.network.Director.Run(p.ctx, "ip", "addr", "add", VIP+"/32", "dev", "eth0"); err != nil {
		return err
	}
	vip := netip.MustParseAddr(VIP)
	service := director.Service{VIP: vip, Port: 80, Protocol: director.TCP, Scheduler: "rr"}
	return p.network.Director.Do(func() (err error) {
		if p.ipvs, err = director.Open(); err != nil {
			return err
		}
		if err := p.ipvs.AddService(service); err != nil {
			return err
		}
		for _, rs := range p.network.RealServers() {
			if err := p.ipvs.AddRealServer(service, director.RealServer{RIP: rs.Addr, Weight: 1}); err != nil {
				return err
			}
		}
		return p.table()
	})
}

func (p *play) table() error {
	info, err := p.ipvs.Info()
	if err != nil {
		return err
	}
	list, err := p.ipvs.List()
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := director.Render(&text, info, list); err != nil {
		return err
	}
	p.print(text.String())
	return nil
}

func (p *play) serve() error {
	p.title("rs1 and rs2: rsagent run")
	for _, rs := range p.network.RealServers() {
		d, err := rs.Start(rs.Command(p.ctx, p.Rsagent, "run", "--config", p.config, "--state-dir", p.stateOf(rs)))
		if err != nil {
			return err
		}
		p.agents = append(p.agents, d)
	}
	for _, rs := range p.network.RealServers() {
		if err := p.inOrder(rs); err != nil {
			return err
		}
	}
	if err := p.says(0, "writes to settings are"); err != nil { // so that it can say who it was
		return err
	}
	p.print(p.said(0, 0))
	return nil
}

func (p *play) look() error {
	p.title("rs1: rsagent check")
	text, err := p.network.RS1.Run(p.ctx, p.Rsagent, "check", "--config", p.config, "--state-dir", p.stateOf(p.network.RS1))
	p.print(text)
	return err
}

func (p *play) request() error {
	p.title("The client: six requests to http://%s/", VIP)
	return p.six()
}

// six makes six requests, which have to alternate.
func (p *play) six() error {
	var answers []string
	for range 6 {
		answer, err := p.network.Get(p.ctx, "http://"+VIP+"/")
		if err != nil {
			return err
		}
		p.print(answer + "\n")
		if n := len(answers); n > 0 && answers[n-1] == answer {
			return fmt.Errorf("%s answered twice in a row", answer)
		}
		answers = append(answers, answer)
	}
	return nil
}

func (p *play) breakIt() error {
	rs1 := p.network.RS1
	p.title("Somebody breaks rs1, twice; the agent says what it saw and did")
	seen := len(p.agents[0].Output())
	for _, command := range [][]string{
		{"ip", "addr", "del", VIP + "/32", "dev", "tunl0"},
		{"sysctl", "-w", "net.ipv4.conf.all.rp_filter=1"},
	} {
		p.print("# " + strings.Join(command, " ") + "\n")
		if _, err := rs1.Run(p.ctx, command[0], command[1:]...); err != nil {
			return err
		}
		if err := errors.Join(p.inOrder(rs1), p.says(seen, "in order again")); err != nil {
			return err
		}
		p.print(p.said(0, seen))
		seen = len(p.agents[0].Output())
	}
	p.title("The client asks again")
	if err := p.six(); err != nil {
		return err
	}
	p.title("The director's table")
	return p.table()
}

func (p *play) leave() error {
	p.title("rs1: the agent stops, and the VIP stays; then rsagent teardown")
	for _, d := range p.agents {
		if err := d.Stop(); err != nil {
			return err
		}
	}
	if _, err := p.network.Get(p.ctx, "http://"+VIP+"/"); err != nil {
		return err
	}
	text, err := p.network.RS1.Run(p.ctx, p.Rsagent, "teardown", "--state-dir", p.stateOf(p.network.RS1))
	p.print(text)
	if err != nil {
		return err
	}
	after, err := p.network.RS1.Dump(p.ctx)
	if err != nil {
		return err
	}
	if after != p.before {
		return errors.New("rs1 is not as it was before")
	}
	p.print("\nrs1 is as it was before: addresses, links, routes and all of net.ipv4.conf.\n")
	return p.ipvs.Close()
}

// inOrder waits until check is content with a real server.
func (p *play) inOrder(rs *Host) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		out, err := rs.Run(p.ctx, p.Rsagent, "check", "--config", p.config, "--state-dir", p.stateOf(rs))
		var exit *exec.ExitError
		if err == nil || !errors.As(err, &exit) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not come into service: %w\n%s", rs.Name, err, out)
		}
	}
}

// says waits until rs1's agent has logged a text since.
func (p *play) says(since int, text string) error {
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(p.agents[0].Output()[since:], text); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("rs1 does not say %q:\n%s", text, p.said(0, since))
		}
	}
	return nil
}

func (p *play) stateOf(rs *Host) string { return filepath.Join(p.state, rs.Name) }

// said returns what an agent has logged since, without times.
func (p *play) said(agent, since int) string {
	var out strings.Builder
	for line := range strings.Lines(p.agents[agent].Output()[since:]) {
		if _, rest, ok := strings.Cut(line, "level="); ok {
			out.WriteString(rest)
		}
	}
	return out.String()
}

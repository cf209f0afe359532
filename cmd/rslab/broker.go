package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// hostVariable names the socket of the running host, for rslab in.
const hostVariable = "RSLAB_HOST"

// rebootLimit is how long a host may take to end and to come up again: half a minute where nothing else runs.
const rebootLimit = 5 * time.Minute

// broker lets commands of this machine use a host, one at a time.
type broker struct {
	machine  *machine
	listener net.Listener

	mu     sync.Mutex
	failed error // why the host is of no more use
}

// newBroker listens on an abstract socket, which no killed process leaves behind.
func newBroker(m *machine) (*broker, error) {
	l, err := net.Listen("unix", "@rslab-"+rand.Text())
	if err != nil {
		return nil, err
	}
	b := &broker{machine: m, listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go b.attend(conn)
		}
	}()
	return b, nil
}

// env is the environment of a command that is to find the host.
func (b *broker) env() []string {
	env := append(os.Environ(), hostVariable+"="+b.listener.Addr().String())
	if path, err := self(); err == nil {
		env = append(env, "PATH="+filepath.Dir(path)+":"+os.Getenv("PATH"))
	}
	return env
}

func (b *broker) close() { b.listener.Close() }

// died returns why the host ended before its time, or nil.
func (b *broker) died() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

// attend serves one request and hangs up.
func (b *broker) attend(conn net.Conn) {
	defer conn.Close()
	client := newWire(conn)
	kind, payload, err := client.receive()
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == nil {
		err := b.request(client, kind, payload)
		if err == nil {
			return
		}
		b.failed = b.machine.failure(err)
	}
	_ = client.send(frameFailed, []byte(b.failed.Error()))
}

// request passes a job to the host and what it says back to the client, to the end of the job: a client that is gone
// does not concern the host.
func (b *broker) request(client *wire, kind frameKind, payload []byte) error {
	if kind == frameReboot {
		return b.reboot(client)
	}
	if err := b.machine.wire.send(kind, payload); err != nil {
		return err
	}
	for {
		kind, payload, err := b.machine.wire.receive()
		if err == nil && kind == frameReady {
			err = &machineFailure{reason: "the host started anew, and nobody had asked for it"}
		}
		if err != nil {
			return err
		}
		_ = client.send(kind, payload)
		if kind == frameExit {
			return nil
		}
	}
}

// reboot returns when the host takes commands again.
func (b *broker) reboot(client *wire) error {
	if err := b.machine.wire.sendJob(job{Args: []string{"systemctl", "reboot"}, Limit: rebootLimit}); err != nil {
		return err
	}
	late := time.AfterFunc(rebootLimit, func() { _ = b.machine.cmd.Process.Kill() })
	defer late.Stop()
	for {
		// The agent may not live to tell how systemctl ended.
		kind, _, err := b.machine.wire.receive()
		if err != nil {
			return err
		}
		if kind == frameReady {
			return client.send(frameExit, []byte{0})
		}
	}
}

func newInCommand() *cobra.Command {
	limit, reboot := 5*time.Minute, false
	cmd := &cobra.Command{
		Use:   "in [--timeout 5m] COMMAND [ARG...] | --reboot",
		Short: "Run a command as root in the host that \"rslab host\" keeps",
		RunE: func(cmd *cobra.Command, args []string) error {
			if reboot == (len(args) > 0) {
				return errors.New("in: give a command or --reboot")
			}
			kind, payload := frameReboot, []byte(nil)
			if !reboot {
				var err error
				if kind, payload, err = encodeJob(job{Args: args, Limit: limit}); err != nil {
					return err
				}
			}
			return ask(kind, payload, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().DurationVar(&limit, "timeout", limit, "kill the command after this time")
	cmd.Flags().BoolVar(&reboot, "reboot", false, "start the host anew and wait until it takes commands")
	return cmd
}

func encodeJob(j job) (frameKind, []byte, error) {
	payload, err := json.Marshal(j)
	return frameJob, payload, err
}

// ask sends one request to the broker and copies what comes back.
func ask(kind frameKind, payload []byte, stdout, stderr io.Writer) error {
	name := os.Getenv(hostVariable)
	if name == "" {
		return errors.New("in: there is no host here: rslab host -- COMMAND runs COMMAND beside one")
	}
	conn, err := net.Dial("unix", name)
	if err != nil {
		return fmt.Errorf("in: the host is gone: %w", err)
	}
	defer conn.Close()
	w := newWire(conn)
	if err := w.send(kind, payload); err != nil {
		return err
	}
	for {
		kind, payload, err := w.receive()
		if err != nil {
			return fmt.Errorf("in: the host is gone: %w", err)
		}
		switch kind {
		case frameStdout:
			_, err = stdout.Write(payload)
		case frameStderr:
			_, err = stderr.Write(payload)
		case frameFailed:
			err = errors.New(string(payload))
		case frameExit:
			if payload[0] != 0 {
				err = exitCode(payload[0])
			}
			return err
		}
		if err != nil {
			return err
		}
	}
}

package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// A frame is what launcher and guest say to each other over one virtio-serial port: a kind, a length in four bytes,
// big endian, and that many bytes of payload. One port for everything keeps the order of things: when the exit code
// has arrived, so has all output.
type frameKind byte

const (
	frameReady  frameKind = 'R' // guest: up, give me the job
	frameJob    frameKind = 'J' // launcher: the job, JSON
	frameSignal frameKind = 'S' // launcher: one byte, a signal for the command
	frameStdout frameKind = 'O' // guest: output
	frameStderr frameKind = 'E'
	frameFiles  frameKind = 'F' // guest: a piece of the tar archive of the files to carry out
	frameExit   frameKind = 'X' // guest: one byte, the exit code; nothing follows
	frameReboot frameKind = 'B' // to a host's launcher: start the host anew, and answer when it is up again
	frameFailed frameKind = '!' // guest: why the machine could not run the command; nothing follows
)

// maxPayload is what virtio_console takes in one write, less the header.
const maxPayload = 32<<10 - frameHeader

const frameHeader = 5

// job is what the launcher asks the guest to run.
type job struct {
	Args    []string
	Env     []string
	Dir     string
	Outputs []string // absolute paths to carry out afterwards, where they exist
	Clock   int64    // the host's time, nanoseconds since 1970
	Modules string   // the host's folder of the kernel's modules, named by release

	Limit time.Duration // kill the command after this time; only in a host
}

// wire sends and receives frames. Sending is safe from several goroutines, receiving from one.
type wire struct {
	mu sync.Mutex
	w  io.Writer
	r  *bufio.Reader
}

func newWire(rw io.ReadWriter) *wire {
	return &wire{w: rw, r: bufio.NewReaderSize(rw, 64<<10)}
}

func (w *wire) send(kind frameKind, payload []byte) error {
	frame := make([]byte, frameHeader, frameHeader+len(payload))
	frame[0] = byte(kind)
	binary.BigEndian.PutUint32(frame[1:], uint32(len(payload)))
	frame = append(frame, payload...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.w.Write(frame); err != nil {
		return fmt.Errorf("send %q: %w", kind, err)
	}
	return nil
}

func (w *wire) sendJob(j job) error {
	payload, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("encode job: %w", err)
	}
	return w.send(frameJob, payload)
}

// receive returns the next frame, io.EOF when the other side is gone.
func (w *wire) receive() (frameKind, []byte, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(w.r, header[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(header[1:])
	// A job carries a whole environment; nothing else is larger than maxPayload.
	if size > 16<<20 {
		return 0, nil, fmt.Errorf("frame %q of %d bytes", header[0], size)
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(w.r, payload); err != nil {
		return 0, nil, err
	}
	return frameKind(header[0]), payload, nil
}

// writer returns a writer whose bytes become frames of kind.
func (w *wire) writer(kind frameKind) io.Writer {
	return frameWriter{w, kind}
}

type frameWriter struct {
	wire *wire
	kind frameKind
}

func (f frameWriter) Write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		n := min(len(p)-sent, maxPayload)
		if err := f.wire.send(f.kind, p[sent:sent+n]); err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

//go:build bench

package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"rsagent/agent/lab"
)

const (
	nginxPort = "8080"
	bigFile   = 1 << 20
)

// nginxConfig is nginx as it is benchmarked: two workers, as many as the machine has processors, connections that
// last, no log.
const nginxConfig = `daemon off; user root; worker_processes 2; pid %[1]s/pid; error_log stderr;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; default_type text/plain;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  server { listen ` + nginxPort + `; root %[1]s; }
}
`

// runNginx serves /ok, of two bytes, and /big on port 8080 of every address of a host.
func runNginx(ctx context.Context, h *lab.Host) error {
	dir, err := os.MkdirTemp("", "nginx")
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"nginx.conf": fmt.Appendf(nil, nginxConfig, dir), "ok": []byte("ok"), "big": bytes.Repeat([]byte("x"), bigFile),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	d, err := h.Start(h.Command(ctx, *nginx, "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf")))
	if err != nil {
		return err
	}
	err = eventually("nginx answers", func() bool {
		got, err := h.Get(ctx, "http://"+h.Addr.String()+":"+nginxPort+"/ok")
		return err == nil && got == "ok"
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, d.Output())
	}
	return nil
}

// load has clients on a host ask for url for a time, each over a connection that lasts.
func load(ctx context.Context, from *lab.Host, clients int, url string, length time.Duration) (Load, error) {
	text, err := from.Run(ctx, "wrk", "-t1", fmt.Sprintf("-c%d", clients), "--timeout", "10s", "--latency", fmt.Sprintf("-d%d", int(length.Seconds())), url)
	if err != nil {
		return Load{}, err
	}
	l, err := ParseLoad(text)
	if err == nil && l.Errors > 0 {
		err = fmt.Errorf("%s: %d requests without an answer", url, l.Errors)
	}
	return l, err
}

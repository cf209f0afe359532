package health

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A Handler answers directors, monitoring and people. It serves exactly the
// paths of the contract, for GET and HEAD:
//
//	/livez             200 while the loop turns
//	/readyz, /healthz  200 while the host is ready, else 503
//	/readyz/<vip>      200 while that VIP is usable, else 503; 404 if unknown
//	/status, /drift    JSON
//	/metrics           for Prometheus
//	/                  the page
//
// Answers come from the last snapshot; readiness takes constant time, no lock
// and no I/O. On a listener of [Turns] a request may wait for those before it,
// and up to 20 ms for a repair. A request that arrives on a VIP gets 421: what is asked for there
// would be any real server's answer. It is safe for concurrent use, and must
// not be copied.
type Handler struct {
	Health *Health
	Page   http.Handler // serves /; nil means 404

	status, drift cached
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !brief(r) {
		unhurried(r)
	}
	p, now := h.Health.current.Load(), time.Now()
	switch {
	case arrivedOn(r, p.vips):
		refuse(w, http.StatusMisdirectedRequest, "this endpoint belongs to the RIP: ask the real server by its own address, not by a VIP")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "only GET and HEAD")
	case r.ContentLength != 0:
		w.Header().Set("Connection", "close")
		refuse(w, http.StatusRequestEntityTooLarge, "no body is wanted")
	default:
		h.route(w, r, p, now)
	}
}

// brief reports whether a request is answered at once: of a body net/http may
// read the rest before it answers.
func brief(r *http.Request) bool {
	path := r.URL.Path
	return r.ContentLength == 0 && (path == "/livez" || path == "/healthz" || strings.HasPrefix(path, "/readyz"))
}

func (h *Handler) route(w http.ResponseWriter, r *http.Request, p *published, now time.Time) {
	switch path := r.URL.Path; path {
	case "/readyz", "/healthz":
		answer := readiness{yes: p.readyAt(now), reasons: func() []Reason { return p.Verdict.At(now).Reasons }}
		answer.write(w, r)
	case "/livez":
		live := readiness{yes: p.liveAt(now), no: "not live\n", reasons: func() []Reason {
			return []Reason{{Code: CodeStale, Text: "the loop has not turned for three intervals."}}
		}}
		live.write(w, r)
	case "/status":
		body := h.status.get(p, now, func() []byte { return encode(p.at(now).JSON()) })
		write(w, http.StatusOK, "application/json", body)
	case "/drift":
		body := h.drift.get(p, now, func() []byte { return encode(p.at(now).driftJSON()) })
		write(w, http.StatusOK, "application/json", body)
	case "/metrics":
		w.Header().Set("Cache-Control", "no-store")
		h.Health.metrics.handler.ServeHTTP(w, r)
	default:
		h.rest(w, r, p, now)
	}
}

func (h *Handler) rest(w http.ResponseWriter, r *http.Request, p *published, now time.Time) {
	if name, ok := strings.CutPrefix(r.URL.Path, "/readyz/"); ok {
		vip, err := netip.ParseAddr(name)
		ready, known := p.vipReadyAt(vip, now)
		if err != nil || !known {
			refuse(w, http.StatusNotFound, "unknown VIP")
			return
		}
		answer := readiness{yes: ready, reasons: func() []Reason { return p.Verdict.At(now).VIPs[p.vips[vip]].Reasons }}
		answer.write(w, r)
		return
	}
	if r.URL.Path == "/" && h.Page != nil {
		h.Page.ServeHTTP(w, r)
		return
	}
	refuse(w, http.StatusNotFound, "not found")
}

// arrivedOn reports whether the connection's local address is one of the VIPs.
func arrivedOn(r *http.Request, vips map[netip.Addr]int) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return onVIP(local, vips)
}

func onVIP(local net.Addr, vips map[netip.Addr]int) bool {
	tcp, ok := local.(*net.TCPAddr)
	if !ok {
		return false
	}
	_, is := vips[tcp.AddrPort().Addr().Unmap().WithZone("")]
	return is
}

func write(w http.ResponseWriter, code int, kind string, body []byte) {
	head := w.Header()
	head.Set("Content-Type", kind)
	head.Set("Content-Length", strconv.Itoa(len(body)))
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(body) // who has gone does not want it
}

func refuse(w http.ResponseWriter, code int, text string) {
	write(w, code, plain, []byte(text+"\n"))
}

const plain = "text/plain; charset=utf-8"

// cached keeps a large body for as long as nothing has changed, and a tenth of
// a second at most, so that many who ask cost as little as one.
type cached struct{ last atomic.Pointer[rendered] }

type rendered struct {
	of   *published
	at   time.Time
	body []byte
}

func (c *cached) get(p *published, now time.Time, render func() []byte) []byte {
	if last := c.last.Load(); last != nil && last.of == p && now.Sub(last.at) < 100*time.Millisecond {
		return last.body
	}
	body := render()
	c.last.Store(&rendered{p, now, body})
	return body
}

package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"html/template"
	"net/http"
	"strconv"
	"sync"
	"time"

	"rsagent/health"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// renderEvery is how often the page is made anew at most, however many look.
const renderEvery = time.Second

// A Source gives what is known now; *health.Health is one.
type Source interface{ Snapshot() health.Snapshot }

// handler serves the page from what it rendered last.
type handler struct {
	source  Source
	traffic *Traffic
	tmpl    *template.Template
	policy  string
	build   string // changes with script and style

	mu       sync.Mutex
	at       time.Time
	document []byte
	fragment []byte
}

// Handler serves the status page at /, and at /?fragment the part of it that
// changes. It is safe for concurrent use; what it shows is a second old at
// most. traffic may be nil: then no traffic is shown.
func Handler(source Source, traffic *Traffic) http.Handler {
	build := sha256.Sum256([]byte(pageCSS + pageJS + pageHTML))
	return &handler{
		source: source, traffic: traffic,
		tmpl:   template.Must(template.New("page").Parse(pageHTML)),
		policy: policy(pageCSS, pageJS), build: hex.EncodeToString(build[:4]),
	}
}

// policy allows nothing but this style, this script, and asking this server.
func policy(css, js string) string {
	return "default-src 'none'; style-src '" + hash(css) + "'; script-src '" + hash(js) +
		"'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	document, fragment, err := h.pages()
	if err != nil {
		http.Error(w, "page: "+err.Error(), http.StatusInternalServerError)
		return
	}
	body := document
	if r.URL.Query().Has("fragment") {
		body = fragment
	}
	head := w.Header()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Content-Length", strconv.Itoa(len(body)))
	head.Set("Content-Security-Policy", h.policy)
	head.Set("Cache-Control", "no-store")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // who has gone does not want it
}

// pages renders, or returns what was rendered less than a second ago.
func (h *handler) pages() (document, fragment []byte, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.document != nil && time.Since(h.at) < renderEvery {
		return h.document, h.fragment, nil
	}
	view := NewView(h.source.Snapshot(), h.traffic.Rates())
	fragment, err = h.render("main", view)
	if err != nil {
		return nil, nil, err
	}
	document, err = h.render("page", view)
	if err != nil {
		return nil, nil, err
	}
	h.at, h.document, h.fragment = time.Now(), document, fragment
	return document, fragment, nil
}

// rendering is what the template sees.
type rendering struct {
	View
	CSS   template.CSS
	JS    template.JS
	Icon  template.URL
	Build string
}

func (h *handler) render(name string, v View) ([]byte, error) {
	var b bytes.Buffer
	err := h.tmpl.ExecuteTemplate(&b, name, rendering{
		View: v, CSS: template.CSS(pageCSS), JS: template.JS(pageJS), Icon: icon(v.State), Build: h.build,
	})
	return b.Bytes(), err
}

// icon is the tab's: a disc in the state's colour, with the state's sign.
func icon(s State) template.URL {
	look := map[State]struct{ colour, sign string }{
		Good:    {"%231a7f4b", "M4.5 8.2l2.4 2.4 4.6-5"},
		Warn:    {"%23b07503", "M8 4v5M8 11.4v.4"},
		Bad:     {"%23c62f2f", "M5 5l6 6M11 5l-6 6"},
		Unknown: {"%236b7280", "M5 8h6"},
	}[s]
	return template.URL("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E" +
		"%3Ccircle cx='8' cy='8' r='8' fill='" + look.colour + "'/%3E%3Cpath d='" + look.sign +
		"' stroke='white' stroke-width='2' fill='none' stroke-linecap='round'/%3E%3C/svg%3E")
}

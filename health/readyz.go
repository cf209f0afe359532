package health

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// readiness is an answer of yes or no.
type readiness struct {
	yes     bool
	reasons func() []Reason // asked for only by those who want to read them
	no      string          // the body of a no; "" for that of /readyz
}

// The bodies that directors may compare byte by byte.
const (
	bodyReady    = "ok\n"
	bodyNotReady = "not ready\n"
)

func (a readiness) write(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	code, body := http.StatusOK, bodyReady
	if !a.yes {
		code, body = http.StatusServiceUnavailable, bodyNotReady
		if a.no != "" {
			body = a.no
		}
	}
	kind := plain
	switch asked := wantsJSON(r.Header.Values("Accept")); {
	case asked != "":
		kind, body = asked, string(encode(a.json()))
	case r.URL.Query().Has("verbose"):
		body += a.text()
	}
	write(w, code, kind, []byte(body))
}

// text is for people: a line for each reason.
func (a readiness) text() string {
	if a.yes {
		return ""
	}
	var b strings.Builder
	for _, r := range a.reasons() {
		b.WriteString(r.Code + ": " + r.Text + "\n")
	}
	return b.String()
}

// readyJSON uses the names of draft-inadarei-api-health-check-06, which has
// expired and is no standard.
type readyJSON struct {
	Status  string   `json:"status"` // pass or fail
	Output  string   `json:"output,omitempty"`
	Reasons []Reason `json:"reasons"`
}

func (a readiness) json() readyJSON {
	if a.yes {
		return readyJSON{Status: "pass", Reasons: []Reason{}}
	}
	reasons := orEmpty(a.reasons())
	out := readyJSON{Status: "fail", Reasons: reasons}
	if len(reasons) > 0 {
		out.Output = reasons[0].Text
	}
	return out
}

// wantsJSON returns the JSON type that the headers name, or "". A wildcard is
// no wish for JSON: curl sends one.
func wantsJSON(accept []string) string {
	for _, header := range accept {
		for item := range strings.SplitSeq(header, ",") {
			kind, params, err := mime.ParseMediaType(item)
			if err != nil || kind != "application/json" && kind != "application/health+json" {
				continue
			}
			if q, err := strconv.ParseFloat(params["q"], 64); err == nil && q <= 0 {
				continue
			}
			return kind
		}
	}
	return ""
}

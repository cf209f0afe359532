package page

import (
	"bytes"
	"encoding/json"
	"testing"

	"rsagent/health"
)

// The ledger as a person reads it, from the bytes that the daemon answers.
func TestLedgerText(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]health.Drift{"full": drifts(), "empty": nil} {
		body, err := json.Marshal(Ledger{Node: "rs1", Total: 17, Drifts: list})
		if err != nil {
			t.Fatal(err)
		}
		l, err := DecodeLedger(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := LedgerText(&b, l, nil); err != nil {
			t.Fatal(err)
		}
		golden(t, "ledger-"+name+".txt", b.Bytes())
	}
	if _, err := DecodeLedger(bytes.NewReader([]byte("no"))); err == nil {
		t.Error("no error")
	}
}

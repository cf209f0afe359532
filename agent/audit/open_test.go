package audit

import "testing"

func TestOpenRootRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, at := range []string{t.TempDir(), t.TempDir() + "/absent"} {
		if dir, err := openRoot(at); err == nil {
			t.Errorf("got %s", dir.Name())
		}
	}
}

// What the kernel did of its own accord has no requester, and after Close there is
// none either.
func TestNoRequesterToLookUp(t *testing.T) {
	t.Parallel()
	closed := &Requesters{closed: true}
	if a, ok := closed.RequestBy(1, 1); ok {
		t.Errorf("closed: got %+v", a)
	}
	if a, ok := closed.LinkDownBy(1); ok {
		t.Errorf("closed: got %+v", a)
	}
	if a, ok := new(Requesters).RequestBy(0, 1); ok {
		t.Errorf("port 0: got %+v", a)
	}
	if err := closed.Close(); err != nil {
		t.Error(err)
	}
}

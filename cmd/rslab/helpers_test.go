package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// result is what a run of rslab looked like from outside.
type result struct {
	stdout, stderr string
	code           int
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func unwrapAll(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

func contains(list []string, want string) bool { return slices.Contains(list, want) }

func oct(n int) string { return strconv.FormatInt(int64(n), 8) }

func hex(t *testing.T, digits string) int {
	t.Helper()
	n, err := strconv.ParseInt(digits, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

// withCause returns a context that has ended for that reason.
func withCause(t *testing.T, cause error) (context.Context, func()) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	return ctx, func() { cancel(nil) }
}

package agenttest

import (
	"context"
	"encoding/json"
	"sync"

	"rsagent/agent"
)

// A MemStore is an agent.Store in memory. It keeps the baseline as JSON, as a
// file would, so that nothing is shared with the caller and nothing survives
// that has no place in the format. The zero value is empty and ready to use.
type MemStore struct {
	mu      sync.Mutex
	content []byte
	load    error
	save    error
	saves   int
	hook    func()
}

var _ agent.Store = (*MemStore)(nil)

// Hold does nothing: the store is not shared.
func (s *MemStore) Hold(context.Context) (release func(), err error) { return func() {}, nil }

// Try does what Hold does.
func (s *MemStore) Try() (release func(), free bool) { return func() {}, true }

// Load returns what was saved last, or the error of FailLoad.
func (s *MemStore) Load() (agent.Baseline, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var base agent.Baseline
	if s.load != nil || s.content == nil {
		return base, s.load
	}
	err := json.Unmarshal(s.content, &base)
	return base, err
}

// Save replaces the baseline, or returns the error of FailSave.
func (s *MemStore) Save(base agent.Baseline) error {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	if hook != nil {
		hook()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.save != nil {
		return s.save
	}
	content, err := json.Marshal(base)
	if err == nil {
		s.content = content
		s.saves++
	}
	return err
}

// Saves returns how often the baseline was replaced.
func (s *MemStore) Saves() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saves
}

// FailLoad makes Load fail, or work again if err is nil.
func (s *MemStore) FailLoad(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load = err
}

// FailSave makes Save fail, or work again if err is nil.
func (s *MemStore) FailSave(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.save = err
}

// Hook has a function called before each Save; it may panic to play the death
// of the agent. nil removes it.
func (s *MemStore) Hook(before func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = before
}

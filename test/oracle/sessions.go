//go:build linux

package oracle

import (
	"sync"
	"testing"
)

// Sessions are sessions of one judge, as many as are asked at once: for tests that ask about
// many small streams.
type Sessions struct {
	judge *Judge
	opts  JudgeOptions

	mu   sync.Mutex
	idle []*Session
}

// Sessions returns sessions with the same options, which end with the test.
func (j *Judge) Sessions(t testing.TB, opts JudgeOptions) *Sessions {
	s := &Sessions{judge: j, opts: opts}
	t.Cleanup(func() {
		for _, one := range s.idle {
			if err := one.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return s
}

// Verdict has an idle session receive a chain of streams, see [Session.Verdict]. Safe for
// concurrent use, until the test ends.
func (s *Sessions) Verdict(streams ...string) ([]Listing, error) {
	one, err := s.take()
	if err != nil {
		return nil, err
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.idle = append(s.idle, one)
	}()
	return one.Verdict(streams...)
}

func (s *Sessions) take() (*Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.idle) - 1; last >= 0 {
		one := s.idle[last]
		s.idle = s.idle[:last]
		return one, nil
	}
	return s.judge.NewSession(s.opts)
}

// Receive is Verdict for streams of which nobody complains. It returns the listing of the last
// snapshot.
func (s *Sessions) Receive(t testing.TB, streams ...string) Listing {
	t.Helper()
	all, err := s.Verdict(streams...)
	if err != nil {
		t.Fatalf("judge: %v", err)
	}
	return all[len(all)-1]
}

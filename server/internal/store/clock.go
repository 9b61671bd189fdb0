package store

import (
	"context"
	"time"
)

// A clock can jump, and be right again later: what was written meanwhile then lies in the future. It counts for nothing where
// it would last longer for that, and heals where it would be waited for. It is not removed: the clock may be wrong now.
// mostAhead is how far ahead a clock may have been, by a wrong time zone say, without anybody being signed out for it.
const mostAhead = 24 * time.Hour

// IsGood tells whether a session can be used: it has not expired, and was not opened by a clock that had jumped.
func (s Session) IsGood(now time.Time) bool {
	return s.ExpiresAt.After(now) && !s.CreatedAt.After(now.Add(mostAhead))
}

// healEvery is how often jobs are looked through while they run: another replica's clock may jump at any time.
var healEvery = time.Minute

// healJobsAlways does so until stop is called. It does not matter if it fails: it is done again.
func (s *Store) healJobsAlways() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(healEvery):
				s.healJobs(ctx)
			}
		}
	}()
	return func() { cancel(); <-done }
}

// healJobs lets go on what River would wait for until a moment that a clock has left that had jumped: that a leader ends, that a
// job may begin, that one that was broken off is rescued. By themselves, leaders last for seconds, and jobs that have failed are
// tried again within days. The clock is that of River: the machine's, or PostgreSQL's.
func (s *Store) healJobs(ctx context.Context) error {
	for _, text := range s.write.healJobs {
		if _, err := s.write.db.ExecContext(ctx, text); err != nil {
			return s.write.errorOf(err)
		}
	}
	return nil
}

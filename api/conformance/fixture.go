package conformance

import (
	"strings"

	"github.com/rejoin-dev/rejoin/api"
)

// fixture is a scene that the negatives of a run share. None of them should change it.
type fixture struct {
	*scene
	key caller // with every permission; nobody as long as nobody needs it
}

// shared is a request to an operation about the things of the fixture, and who sends it. What is missing is made first.
func (s *session) shared(op *api.Operation) (who caller, d *draft) {
	x := s.suite
	x.fixtureMu.Lock()
	defer x.fixtureMu.Unlock()
	if x.fixture == nil {
		x.fixture = &fixture{scene: &scene{session: x.newSession(s.ctx), known: map[string]string{}}}
	}
	f := x.fixture
	f.failures, f.ctx = nil, s.ctx
	f.guard(func() {
		if f.server.id == "" {
			f.server = f.a.makesServer("Chess club")
		}
		switch {
		case len(op.Schemes) == 0:
			who = f.anonymous
		case op.Takes(api.SessionAuth):
			who = f.a
		default:
			if f.key.session == nil {
				f.key = f.a.makesKey(f.server, x.contract.everyPermission()...).caller
			}
			who = f.key
		}
		d = draftOf(op, f.id)
	})
	if d == nil {
		if f.broken.Swap(false) {
			s.broken.Store(true)
		}
		s.stop("what the request needs could not be made: %s", strings.Join(f.texts(), "; "))
	}
	who.session = s
	return who, d
}

func (s *session) texts() []string {
	var all []string
	for _, f := range s.failures {
		all = append(all, f.text)
	}
	return all
}

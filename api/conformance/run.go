package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// run is one run of the suite.
type run struct {
	suite        *suite
	options      Options
	requirements []requirement
	results      []Result // as they come; those without an outcome have not run
	started      time.Time
	pointless    string // why it makes no sense to run anything; empty if it does
}

func newRun(target Target) (*run, error) {
	options := &target.Options
	options.Seed = cmp.Or(options.Seed, defaultSeed)
	all, err := allRequirements(options.Seed)
	if err != nil {
		return nil, err
	}
	if err := options.check(all, target); err != nil {
		return nil, err
	}
	return runOf(target, all)
}

func runOf(target Target, requirements []requirement) (*run, error) {
	suite, err := newSuite(target)
	if err != nil {
		return nil, err
	}
	x := &run{
		suite: suite, options: target.Options, requirements: requirements, started: time.Now(),
		results: make([]Result, len(requirements)),
	}
	for i, r := range requirements {
		x.results[i] = Result{Requirement: r.Requirement, Failures: []Failure{}, Note: target.disables(r)}
		if x.results[i].Note != "" {
			x.results[i].Outcome = Disabled
		}
	}
	if !target.Options.Certify {
		x.sample()
	}
	return x, nil
}

// sampleSize is how many of the rate-limited requirements are run.
const sampleSize = 8

// sample disables all rate-limited requirements but a few.
func (x *run) sample() {
	var rateLimited []int
	for i, r := range x.requirements {
		if r.rateLimited && x.results[i].Outcome == "" {
			rateLimited = append(rateLimited, i)
		}
	}
	chance := rand.New(rand.NewPCG(x.options.Seed, 0))
	chance.Shuffle(len(rateLimited), func(i, j int) { rateLimited[i], rateLimited[j] = rateLimited[j], rateLimited[i] })
	for _, i := range rateLimited[min(sampleSize, len(rateLimited)):] {
		x.results[i].Outcome, x.results[i].Note = Disabled, "not in the sample of the rate-limited requirements (--certify runs all)"
	}
}

// verify runs all of it, unless there is no point in that. Results are observed in the order of the suite.
func (x *run) verify(ctx context.Context, observe func(Result)) (Report, error) {
	defer x.suite.close(context.WithoutCancel(ctx))
	if x.pointless != "" {
		return x.report(), errors.New(x.pointless)
	}
	ended, wait := x.start(ctx)
	observed := 0
	for i := range x.requirements {
		<-ended[i]
		if ctx.Err() != nil {
			break
		}
		observed++
		if observe != nil && x.results[i].Outcome != Disabled {
			observe(x.results[i])
		}
	}
	wait()
	report := x.report()
	if ctx.Err() != nil {
		return report, fmt.Errorf("stopped after %d of %d requirements: %w", observed, len(x.requirements), context.Cause(ctx))
	}
	return report, nil
}

// start runs the requirements, several at once. Each channel is closed when its requirement has ended.
func (x *run) start(ctx context.Context) (ended []chan struct{}, wait func()) {
	next := make(chan []int)
	go func() {
		defer close(next)
		for _, line := range x.lines() {
			next <- line
		}
	}()
	ended = make([]chan struct{}, len(x.requirements))
	for i := range ended {
		ended[i] = make(chan struct{})
	}
	var workers sync.WaitGroup
	for range cmp.Or(max(x.options.Parallel, 0), 4) {
		workers.Go(func() {
			for line := range next {
				for _, i := range line {
					if ctx.Err() == nil {
						x.one(ctx, i)
					}
					close(ended[i])
				}
			}
		})
	}
	return ended, workers.Wait
}

// lines are the requirements that run one after another: those of one queue, and each other one alone.
func (x *run) lines() [][]int {
	var lines [][]int
	queues := map[string]int{}
	for i, r := range x.requirements {
		if at, waiting := queues[r.queue]; r.queue != "" && waiting {
			lines[at] = append(lines[at], i)
			continue
		}
		queues[r.queue] = len(lines)
		lines = append(lines, []int{i})
	}
	return lines
}

// one runs one requirement. Nothing that happens in it ends the run.
func (x *run) one(ctx context.Context, i int) Result {
	r, result := x.requirements[i], &x.results[i]
	if result.Outcome == Disabled {
		return *result
	}
	started := time.Now()
	s := x.suite.newSession(ctx)
	s.guard(func() { r.run(s) })
	// Cleaning up must also happen when the run was broken off.
	s.ctx = context.WithoutCancel(ctx)
	for _, undo := range slices.Backward(s.undo) {
		s.guard(undo)
	}
	s.tags.Range(func(tag, _ any) bool {
		if tag := tag.(string); tag != r.Section && tag != "servers" && !slices.Contains(r.With, tag) {
			s.broken.Store(true)
			s.fail("the test case calls operations of the tag %s and does not declare it", tag)
		}
		return true
	})
	if ctx.Err() != nil {
		return *result // what failed did so because the run was broken off
	}
	result.Duration, result.Failures = time.Since(started), s.reported()
	switch {
	case s.broken.Load():
		result.Outcome = Broken
	case len(result.Failures) > 0:
		result.Outcome = Fail
	default:
		result.Outcome = Pass
	}
	for _, skip := range x.options.Skips {
		if skip.ID == r.ID {
			skip.apply(result, time.Now())
		}
	}
	return *result
}

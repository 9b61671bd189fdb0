package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/conformance"
)

type conformCommand struct {
	URL   string   `name:"url" required:"" help:"Where the paths of the contract begin." placeholder:"URL"`
	Token []string `required:"" help:"Session tokens of two different accounts; give the flag twice, or the variable with a comma between them." placeholder:"TOKEN"`
	Mail  string   `help:"Directory in which the backend's mail arrives as .eml files, for what needs a code from a mail." placeholder:"DIR"`

	Tag   []string       `help:"Only what needs no other tags than these; may be given more than once." placeholder:"TAG"`
	Level string         `help:"MUST leaves out what a backend only SHOULD do." enum:",MUST,SHOULD" default:"" placeholder:"LEVEL"`
	Match *regexp.Regexp `name:"run" help:"Only the requirements whose ids match." placeholder:"REGEXP"`

	Skip    string   `help:"File that lists what the backend does not offer yet: id, reason, link and expiry of each." placeholder:"FILE"`
	Certify bool     `help:"Choose nothing, skip nothing, and want every requirement told."`
	Report  []string `sep:"none" help:"Write a report: .json, .xml (JUnit) or .html; may be given more than once." placeholder:"FILE"`

	Seed     uint64 `help:"Of the values that are drawn." default:"1" placeholder:"N"`
	Parallel int    `help:"How many requirements may be under way at once, 1 to 64." default:"4" placeholder:"N"`
}

// Help is for who asks about `rejoin conform`, which is the suite when no other command is named.
func (conformCommands) Help() string {
	return "`rejoin conform --url URL --token TOKEN --token TOKEN` is short for `rejoin conform suite ...`; `rejoin conform suite --help` lists its flags."
}

func (c conformCommand) Validate() error {
	if len(c.Token) != 2 {
		return fmt.Errorf("--token must be given twice, for two different accounts")
	}
	if c.Parallel < 1 || c.Parallel > 64 {
		return fmt.Errorf("--parallel must be 1 to 64, and is %d", c.Parallel)
	}
	for _, name := range c.Report {
		if err := conformance.ReportName(name); err != nil {
			return fmt.Errorf("--report: %w", err)
		}
	}
	return nil
}

func (c conformCommand) target() (conformance.Target, error) {
	target := conformance.Target{URL: c.URL, A: c.Token[0], B: c.Token[1], Options: conformance.Options{
		Tags: c.Tag, Level: conformance.Level(c.Level), Match: c.Match, Certify: c.Certify, Seed: c.Seed, Parallel: c.Parallel,
	}}
	if c.Mail != "" {
		target.Code = conformance.MailDir(c.Mail)
	}
	if c.Skip == "" {
		return target, nil
	}
	data, err := os.ReadFile(c.Skip)
	if err != nil {
		return target, err
	}
	target.Options.Skips, err = conformance.ReadSkips(data)
	return target, err
}

func (c conformCommand) Run(ctx context.Context, t terminal) error {
	target, err := c.target()
	if err != nil {
		return err
	}
	for _, name := range c.Report { // a run is too long for its report to be lost
		if err := writable(name); err != nil {
			return err
		}
	}
	// Who reads what is printed may leave (`| head`). That ends the run, and must not end the process before everything is
	// taken away that the run has made.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := &stopper{out: t.out, stop: stop}
	fmt.Fprintf(out, "contract %s\nbackend  %s\n\n", api.Digest, conformance.WithoutPassword(c.URL))
	lines := progress{out: out, live: isTerminal(t.out)}
	report, err := conformance.Verify(ctx, target, lines.show)
	lines.clear()
	if report.Requirements.All == 0 {
		return err // nothing was begun
	}
	summarize(out, report)
	for _, name := range c.Report {
		err = errors.Join(err, writeReport(report, name))
	}
	if err == nil && !report.Conforms() {
		return errFailed
	}
	return err
}

// stopper stops the run when what it prints cannot be written.
type stopper struct {
	out  io.Writer
	stop context.CancelCauseFunc
}

func (s *stopper) Write(p []byte) (int, error) {
	n, err := s.out.Write(p)
	if err != nil {
		s.stop(err)
	}
	return n, err
}

// writable tells why a file cannot be written. What is in it stays.
func writable(name string) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	return file.Close()
}

func writeReport(report conformance.Report, name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(report.Write(file, name), file.Close())
}

func summarize(out io.Writer, report conformance.Report) {
	n := report.Requirements
	fmt.Fprintf(out, "\n%d requirements: %d passed, %d failed, %d skipped, %d disabled, %d errors (seed %d, %.1fs)\n",
		n.All, n.Passed, n.Failed, n.Skipped, n.Disabled, n.Errors, report.Seed, report.Seconds)
	if n.NotRun > 0 {
		fmt.Fprintf(out, "%d not run: the run was stopped\n", n.NotRun)
	}
	why := map[string]int{}
	for _, r := range report.Results {
		if r.Outcome == conformance.Disabled {
			why[r.Note]++
		}
	}
	for _, note := range slices.Sorted(maps.Keys(why)) {
		fmt.Fprintf(out, "%d disabled: %s\n", why[note], note)
	}
	if n.Advised > 0 {
		fmt.Fprintf(out, "%d of the failed are only what a backend SHOULD do\n", n.Advised)
	}
	fmt.Fprintf(out, "operations that gave a good answer: %d of %d\n", report.Operations.Reached, report.Operations.All)
	fmt.Fprintf(out, "documented answers that came: %d of %d\n", report.Responses.Reached, report.Responses.All)
	for _, problem := range report.Problems {
		fmt.Fprintf(out, "but: %s\n", problem)
	}
}

// progress shows each requirement as a line of its own or, to a person who watches, the latest one on the last line and
// above it only what wants attention.
type progress struct {
	out   io.Writer
	live  bool
	told  int
	wrong int
}

var verdicts = map[conformance.Outcome]string{
	conformance.Pass: "ok   ", conformance.Fail: "FAIL ", conformance.Skipped: "skip ", conformance.Broken: "ERROR",
}

func (p *progress) show(r conformance.Result) {
	p.told++
	if !r.Passed() {
		p.wrong++
	}
	p.clear()
	if !p.live || r.Outcome != conformance.Pass {
		verdict := verdicts[r.Outcome]
		if r.Outcome == conformance.Fail && r.Level == conformance.Should {
			verdict = "warn "
		}
		fmt.Fprintf(p.out, "%s %s: %s (%.2fs)\n", verdict, r.ID, r.Text, r.Duration.Seconds())
		if r.Note != "" {
			fmt.Fprintf(p.out, "      %s\n", r.Note)
		}
		for _, failure := range r.Failures {
			fmt.Fprintf(p.out, "      %s\n", strings.ReplaceAll(failure.Text, "\n", "\n      "))
		}
	}
	if p.live {
		fmt.Fprintf(p.out, "\r%d run, %d wrong: %.60s", p.told, p.wrong, r.ID)
	}
}

// clear takes the changing line away.
func (p *progress) clear() {
	if p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// isTerminal tells a person's screen from a file or a pipe.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/api/conformance"
)

type conformCommand struct {
	URL   string   `name:"url" required:"" help:"Address where the paths of the contract begin." placeholder:"URL"`
	Token []string `required:"" help:"Session tokens of two different accounts: give the flag twice, or set the variable to both with a comma between them." placeholder:"TOKEN"`
	Mail  string   `help:"Directory where the backend puts its mail as .eml files. Requirements that need a code from a mail are disabled without it." placeholder:"DIR"`

	Receiver string `help:"Address of this machine where the suite may listen for webhooks, such as 127.0.0.1:0: the backend must allow it, as --webhook-allow does, and reach it by http. Requirements that need it are disabled without it." placeholder:"HOST:PORT"`

	Tag   []string       `help:"Run only what needs no other tags than these; may be given more than once." placeholder:"TAG"`
	Level string         `help:"With MUST, leave out what a backend only SHOULD do." enum:",MUST,SHOULD" default:"" placeholder:"LEVEL"`
	Match *regexp.Regexp `name:"run" help:"Run only the requirements whose id matches." placeholder:"REGEXP"`

	Skip    string   `help:"File that lists what the backend does not offer yet; see above for its format." placeholder:"FILE"`
	Certify bool     `help:"Run every requirement; nothing may be chosen or skipped."`
	Report  []string `sep:"none" help:"Write a report: .json, .xml (JUnit) or .html; may be given more than once." placeholder:"FILE"`
	Verbose bool     `short:"v" help:"Print a line for every requirement, and the whole requests and answers of those that fail."`

	Seed     uint64 `help:"Seed of the samples." default:"1" placeholder:"N"`
	Parallel int    `help:"How many requirements run at once, 1 to 64." default:"4" placeholder:"N"`
}

// Help is the format of the file that --skip takes.
func (conformCommand) Help() string {
	return `The file of --skip is a list in YAML or JSON. All four members are needed:

    # skips.yaml
    - id: SERVERS-VISIT-01
      reason: visits are not counted yet
      link: https://tracker.example/77
      expiry: 2027-03-31

A skipped requirement runs all the same. The run says when it passes. After its expiry it counts as a failure.`
}

// Help is for who asks about `rejoin conform`, which is the suite when no other command is named.
func (conformCommands) Help() string {
	return "`rejoin conform --url URL --token TOKEN --token TOKEN` runs the suite. `rejoin conform suite --help` lists its flags."
}

func (c conformCommand) Validate() error {
	if c.URL == "" || len(c.Token) == 0 {
		return nil // that they are required is said of both at once
	}
	if len(c.Token) != 2 {
		return fmt.Errorf("--token must be given twice, for two different accounts")
	}
	if c.Parallel < 1 || c.Parallel > 64 {
		return fmt.Errorf("--parallel must be 1 to 64, and is %d", c.Parallel)
	}
	if c.Receiver != "" {
		if err := checkAddress("--receiver", c.Receiver); err != nil {
			return err
		}
	}
	for _, name := range c.Report {
		if err := (conformance.Report{}).Write(io.Discard, name); err != nil {
			return fmt.Errorf("--report: %w", err)
		}
	}
	return nil
}

func (c conformCommand) target() (conformance.Target, error) {
	target := conformance.Target{URL: c.URL, A: c.Token[0], B: c.Token[1], Options: conformance.Options{
		Tags: c.Tag, Level: conformance.Level(c.Level), Match: c.Match, Certify: c.Certify, Seed: c.Seed, Parallel: c.Parallel,
	}}
	target.Receiver = c.Receiver
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
	// Whoever reads the output may leave (`| head`). That ends the run, but not the process: what the run has made is
	// deleted first.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := &stopper{out: t.out, stop: stop}
	fmt.Fprintf(out, "contract %s\nbackend  %s\n\n", api.Digest, withoutPassword(c.URL))
	lines := newProgress(out, isTerminal(t.out), c.Verbose)
	report, err := conformance.Verify(ctx, target, lines.show)
	lines.end()
	if report.Requirements.All == 0 {
		return err // nothing was begun
	}
	for _, name := range c.Report {
		err = errors.Join(err, writeReport(report, name))
	}
	if err != nil && !slices.Contains(report.Problems, err.Error()) {
		fmt.Fprintln(t.err, "rejoin:", err)
	}
	summarize(out, report) // what was said stands above, so that this is the last
	if err != nil || !report.Conforms() {
		return errFailed
	}
	return context.Cause(ctx) // perhaps nobody has read the summary
}

// withoutPassword is an address as it may be shown.
func withoutPassword(address string) string {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" {
		return "(not an address)"
	}
	parsed.User = nil
	return parsed.String()
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

// writable returns why a file cannot be written. It does not change what is in it.
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
	began := n.NotRun+n.Disabled < n.All
	if began {
		tabulate(out, report)
		fmt.Fprintf(out, "Operations that gave a good answer: %d of %d\n", report.Operations.Reached, report.Operations.All)
		fmt.Fprintf(out, "Documented answers that came: %d of %d\n", report.Responses.Reached, report.Responses.All)
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
	}
	for _, problem := range report.Problems {
		fmt.Fprintf(out, "Problem: %s\n", printable(problem))
	}
	if !began {
		fmt.Fprintf(out, "0 of %d requirements were run.\n", n.All)
		return
	}
	fmt.Fprintf(out, "%d requirements: %d passed, %d failed, %d errors, %d skipped, %d disabled, %d not run (seed %d, %.1fs)\n",
		n.All, n.Passed, n.Failed, n.Errors, n.Skipped, n.Disabled, n.NotRun, report.Seed, report.Seconds)
	switch {
	case !report.Conforms():
		fmt.Fprintln(out, "The backend does not conform.")
	case report.Certify:
		fmt.Fprintln(out, "The backend conforms.")
	default:
		fmt.Fprintln(out, "The backend conforms, as far as it was tested.")
	}
}

// tabulate shows the figures of every tag of which something was to run.
func tabulate(out io.Writer, report conformance.Report) {
	const row = "%-10s %8v %8v %8v %8v %8v %8v\n"
	fmt.Fprintf(out, row, "tag", "passed", "failed", "errors", "skipped", "disabled", "all")
	for _, tag := range report.ByTag() {
		if n := tag.Figures; n.Disabled < n.All {
			fmt.Fprintf(out, row, tag.Tag, n.Passed, n.Failed, n.Errors, n.Skipped, n.Disabled, n.All)
		}
	}
	fmt.Fprintln(out)
}

// progress shows what is wrong as it happens and what is excused at the end; if it is verbose, every requirement. To a
// person who watches, it shows the latest requirement on the last line.
type progress struct {
	out           io.Writer
	live, verbose bool
	run, failed   int
	shown         map[string]int       // failures, by tag
	excused       []conformance.Result // skipped, or only SHOULD have passed
}

func newProgress(out io.Writer, live, verbose bool) *progress {
	return &progress{out: out, live: live, verbose: verbose, shown: map[string]int{}}
}

func (p *progress) show(r conformance.Result) {
	p.run++
	p.clear()
	excused := r.Outcome == conformance.Skipped || r.Advised()
	switch {
	case !excused && r.Outcome != conformance.Pass:
		p.failed++
		if p.shown[r.Section]++; p.verbose || p.shown[r.Section] <= mostShown {
			p.print(r)
		}
	case p.verbose:
		p.print(r)
	case excused:
		p.excused = append(p.excused, r)
	}
	if p.live {
		fmt.Fprintf(p.out, "\r%d run, %d failed: %.60s", p.run, p.failed, r.ID)
	}
}

// end shows what was left for the end.
func (p *progress) end() {
	p.clear()
	for _, tag := range slices.Sorted(maps.Keys(p.shown)) {
		if more := p.shown[tag] - mostShown; more > 0 && !p.verbose {
			fmt.Fprintf(p.out, "... and %d more of %s; --verbose and --report show all\n", more, tag)
		}
	}
	for _, r := range p.excused {
		p.print(r)
	}
	if p.failed+len(p.excused) > 0 || p.verbose {
		fmt.Fprintln(p.out)
	}
}

var verdicts = map[conformance.Outcome]string{
	conformance.Pass: "ok   ", conformance.Fail: "FAIL ", conformance.Skipped: "skip ", conformance.Broken: "ERROR",
}

const (
	mostShown    = 10 // failed requirements of one tag, unless all are wanted
	mostFailures = 3  // failures of one requirement
)

func (p *progress) print(r conformance.Result) {
	verdict := verdicts[r.Outcome]
	if r.Advised() {
		verdict = "warn "
	}
	fmt.Fprintf(p.out, "%s %s: %s (%.2fs)\n", verdict, r.ID, r.Text, r.Duration.Seconds())
	if r.Note != "" {
		p.indented(r.Note)
	}
	for i, failure := range r.Failures {
		if p.verbose {
			p.indented(failure.Text)
			if x := failure.Exchange; x != nil {
				p.indented("sent:\n" + x.Request + "\nreceived:\n" + cmp.Or(x.Response, "(no answer)") + "\nto repeat it:\n" + x.Curl + "\n")
			}
			continue
		}
		if i == mostFailures {
			p.indented(fmt.Sprintf("... and %d more; --verbose and --report show all", len(r.Failures)-i))
			break
		}
		p.indented(short(failure.Text))
	}
}

func (p *progress) indented(text string) {
	fmt.Fprintf(p.out, "      %s\n", strings.ReplaceAll(printable(text), "\n", "\n      "))
}

// short is the beginning of a text, on one line.
func short(text string) string {
	const most = 160
	line, rest, _ := strings.Cut(text, "\n")
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most]) + " ..."
	}
	if rest != "" {
		return line + " ..."
	}
	return line
}

// printable keeps what a backend answers from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// clear takes the changing line away.
func (p *progress) clear() {
	if p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// isTerminal tells whether out is a screen, and not a file or a pipe.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

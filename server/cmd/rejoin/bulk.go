package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/server/internal/cause"
	"github.com/rejoin-dev/rejoin/server/internal/sheet"
)

type bulkCommand struct {
	URL      string `required:"" help:"Address where the backend answers." placeholder:"URL"`
	Key      string `required:"" help:"API key of the community, with the permission bulkUpdateUser. What is on a command line, others on the machine may see: better use the variable." placeholder:"KEY"`
	Type     string `default:"update" enum:"import,update,premium" help:"What the file is for: import, update or premium."`
	Again    bool   `help:"Have all rows done once more, where the same file was sent within the last 24 hours: what its rows add, they add twice. Without it, that one is followed."`
	Follow   string `help:"Send nothing, and follow a file that was sent." placeholder:"ID"`
	Rest     string `help:"Send nothing, and print the rows of the file that were not done when it ended, as a file to be sent: of one that was cancelled, or has failed." placeholder:"ID"`
	Results  string `help:"Write what became of each row into a CSV file, which only its owner may read. It must not be there yet." placeholder:"FILE"`
	Replace  bool   `help:"Let --results replace a file that is there."`
	Template string `default:"" enum:",import,update,premium" help:"Send nothing, and print the columns that a file for this may have, as a CSV file to begin with." placeholder:"TYPE"`
	File     string `arg:"" optional:"" type:"existingfile" help:"CSV file with a row for each member; - is standard input."`
}

// Help is what the command does besides.
func (bulkCommand) Help() string {
	return `The file is taken whole or not at all, and its rows are done by the backend, each of them once. To stop this command does not stop that.
It waits while the backend restarts. Exit code: 0 if every row is done, 1 if all were done and some of them have failed, 2 for a command line that makes no sense,
3 for all else: the file was not taken, has ended before all rows were done, or is not followed any more.`
}

func (c bulkCommand) Validate() error {
	if c.URL == "" || c.Key == "" {
		return nil // that they are required is said of both at once
	}
	if _, err := client.New(c.URL); err != nil {
		return fmt.Errorf("--url: %w", said(err))
	}
	if _, err := client.New(c.URL, client.WithToken(c.Key)); err != nil {
		return errors.New("--key must be an API key: 64 lower-case hexadecimal characters")
	}
	switch {
	case c.Template != "" && c.File+c.Follow+c.Rest+c.Results != "":
		return errors.New("--template prints columns, and nothing else can be asked for")
	case c.Rest != "" && (c.File == "" || c.Follow+c.Results != "" || c.Again):
		return errors.New("--rest needs the file that was sent, and nothing else can be asked for")
	case c.Template == "" && (c.File == "") == (c.Follow == ""):
		return errors.New("--follow or a file must be given, and not both")
	}
	return nil
}

const (
	bulkAsked    = 500 * time.Millisecond // how often it is asked how far the file is
	bulkAnswer   = 30 * time.Second       // how long an answer may take
	bulkPatience = 5 * time.Minute        // how long the backend may be away
	bulkFailures = 20                     // how many rows that have failed are reported one by one
)

// Run sends the file, and follows it to its end.
func (c bulkCommand) Run(ctx context.Context, t terminal) error {
	some, err := c.run(ctx, t)
	switch {
	case err != nil:
		return undone{err}
	case some:
		return errFailed
	}
	return nil
}

// run tells whether some of the rows have failed, while all others are done.
func (c bulkCommand) run(ctx context.Context, t terminal) (some bool, err error) {
	api, err := client.New(c.URL, client.WithToken(c.Key), client.WithoutRetry())
	if err != nil { // what Validate leaves
		return false, errors.New("--url and --key must not be empty")
	}
	if c.Results != "" {
		if err := c.checkResults(); err != nil {
			return false, err
		}
	}
	if c.Rest != "" {
		return false, said(c.printRest(ctx, api, t))
	}
	// Whether there is a backend, and whether it takes the key, is reported before all of a file is sent.
	template, err := api.Bulk.Template(ctx, client.BulkType(cmp.Or(c.Template, c.Type)))
	if err != nil {
		return false, said(err)
	}
	if c.Template != "" {
		return false, printColumns(t.out, template)
	}
	show := newBulkProgress(t.err, isTerminal(t.err))
	defer show.end()
	id := c.Follow
	if id == "" {
		if id, err = c.send(ctx, api, show, t.in); err != nil {
			return false, stoppedOr(ctx, err, "if the file was taken whole, the backend goes on with its rows")
		}
	}
	ended, err := follow(ctx, api, show, id)
	show.end()
	if err != nil {
		return false, stoppedOr(ctx, err, "the backend goes on with the rows, unless somebody cancels the file: rejoin bulk --follow "+id)
	}
	fmt.Fprintf(t.out, "%s: %d of %s done, %d failed\n", ended.Status, ended.Processed, counted(int(ended.Total), "row"), ended.Failed)
	if c.Results != "" {
		err = c.writeResults(ctx, api, id)
	}
	if ended.Status == client.BulkIsDone {
		return false, said(err)
	}
	if err = errors.Join(err, reportFailures(ctx, api, t.out, ended)); err != nil {
		return false, said(err)
	}
	if ended.Status == client.BulkIsDoneWithErrors {
		return true, nil
	}
	c.reportRest(t.out, ended)
	return false, errFailed
}

// reportRest reports of a file that has ended before all of its rows were done why that was, and how the others are done.
func (c bulkCommand) reportRest(out io.Writer, of *client.BulkUpdate) {
	if of.Reason != "" {
		fmt.Fprintf(out, "it has failed: %s\n", printable(of.Reason))
	}
	if left := int(of.Total - of.Processed); left > 0 {
		file := "FILE"
		if c.File != "" && c.File != "-" {
			file = quoted(c.File)
		}
		fmt.Fprintf(out, "of the last %s, nothing was done: rejoin bulk --rest %s %s >rest.csv makes a file of them; --again would do all, and the first ones twice\n",
			counted(left, "row"), of.BulkID, file)
	}
}

// printRest prints the rows that were not done of a file that has ended. They are the last ones.
func (c bulkCommand) printRest(ctx context.Context, api *client.Client, t terminal) error {
	of, err := api.Bulk.Status(ctx, c.Rest)
	if err != nil {
		return err
	}
	if _, ended := of.FinishedAt.Get(); !ended {
		return fmt.Errorf("%s has not ended: --follow %s follows it", of.BulkID, of.BulkID)
	}
	file, err := c.open(t.in)
	if err != nil {
		return err
	}
	defer file.Close()
	all, err := sheet.Open(file)
	rest := [][]string{}
	for err == nil {
		var cells []string
		if cells, err = all.Next(); err == nil && all.Number() > int(of.Processed) {
			rest = append(rest, slices.Clone(cells))
		}
	}
	switch {
	case err != io.EOF:
		return err
	case all.Number() != int(of.Total):
		return fmt.Errorf("%s: has %s, and what was sent as %s had %d: it is not the same file", c.File, counted(all.Number(), "row"), of.BulkID, of.Total)
	}
	to := csv.NewWriter(t.out)
	to.Write(all.Header) // WriteAll has the error
	return to.WriteAll(rest)
}

// printColumns prints the columns of a file.
func printColumns(out io.Writer, template *client.BulkTemplate) error {
	var names []string
	for _, column := range template.Columns {
		names = append(names, sheet.Harmless(column.Name))
	}
	return csv.NewWriter(out).WriteAll([][]string{names})
}

// open opens the file, or a copy of what cannot be read again, such as standard input, which is gone when it is closed.
func (c bulkCommand) open(in io.Reader) (*os.File, error) {
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		if info, err := file.Stat(); err != nil || info.Mode().IsRegular() {
			return file, err
		}
		defer file.Close()
		in = file
	}
	content, err := os.CreateTemp("", "rejoin-bulk-")
	if err != nil {
		return nil, err
	}
	os.Remove(content.Name()) // if that fails, it is one more file among those that are temporary
	if _, err = io.Copy(content, in); err == nil {
		_, err = content.Seek(0, io.SeekStart)
	}
	if err != nil {
		content.Close()
		return nil, err
	}
	return content, nil
}

// stoppedOr is the error of what was broken off, and what became of the file then.
func stoppedOr(ctx context.Context, err error, goesOn string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %s", context.Cause(ctx), goesOn)
	}
	if passes(err) {
		return fmt.Errorf("%w: %s", said(err), goesOn)
	}
	return said(err)
}

// send sends the file, and returns its id. It is sent under a key that is made from what it contains, so that the same file is not taken twice.
func (c bulkCommand) send(ctx context.Context, api *client.Client, show *bulkProgress, in io.Reader) (id string, err error) {
	file, err := c.open(in)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	key := rand.Text()
	if !c.Again {
		sum := sha256.New()
		if _, err := io.Copy(sum, file); err != nil {
			return "", err
		}
		key = "rejoin-bulk-" + hex.EncodeToString(sum.Sum(nil))
	}
	send := map[string]func(context.Context, io.Reader, ...client.CreateOption) (*client.BulkQueued, error){
		"import": api.Bulk.Import, "update": api.Bulk.Update, "premium": api.Bulk.UpdatePremium,
	}[c.Type]
	again, tries := false, 0
	content := show.sending(file, info.Size())
	queued, err := patiently(ctx, show, func() (*client.BulkQueued, error) {
		tries++
		if _, err := content.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		return send(ctx, content, client.IdempotencyKey(key), client.Replayed(&again))
	})
	if err != nil {
		return "", err
	}
	if again && tries == 1 {
		show.note("the same file was sent before: this follows that one. --again has its rows done once more")
	}
	show.note("the file is " + queued.BulkID)
	return queued.BulkID, nil
}

// follow asks how far the file is, until it has ended.
func follow(ctx context.Context, api *client.Client, show *bulkProgress, id string) (*client.BulkUpdate, error) {
	for {
		is, err := patiently(ctx, show, func() (*client.BulkUpdate, error) {
			ctx, cancel := context.WithTimeout(ctx, bulkAnswer)
			defer cancel()
			return api.Bulk.Status(ctx, id)
		})
		if err != nil {
			return nil, err
		}
		show.rows(is)
		if _, ended := is.FinishedAt.Get(); ended {
			return is, nil
		}
		if err := wait(ctx, bulkAsked); err != nil {
			return nil, err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// patiently asks until there is an answer, for as long as the backend may be away.
func patiently[T any](ctx context.Context, show *bulkProgress, ask func() (T, error)) (T, error) {
	for began, reported := time.Now(), false; ; {
		answer, err := ask()
		if err == nil || ctx.Err() != nil || !passes(err) || time.Since(began) > bulkPatience {
			return answer, err
		}
		pause := time.Second
		if answered := (*client.Error)(nil); errors.As(err, &answered) {
			pause = min(max(pause, answered.RetryAfter), bulkPatience)
		}
		if !reported {
			reported = true
			show.note(fmt.Sprintf("no answer (%s): asking again for %s", say(said(err)), bulkPatience))
		}
		if err := wait(ctx, pause); err != nil {
			return answer, err
		}
	}
}

// passes tells whether an error may be another one later.
func passes(err error) bool {
	if answered := (*client.Error)(nil); errors.As(err, &answered) {
		return answered.RetryAfter <= bulkPatience && (answered.Status >= 500 && answered.Status != http.StatusNotImplemented || answered.RetryAfter > 0 ||
			answered.Status == http.StatusTooManyRequests || answered.Status == http.StatusRequestTimeout)
	}
	request := (*url.Error)(nil)
	return errors.As(err, &request) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded)
}

// said is an error of the client for an operator, who knows no methods and paths.
func said(err error) error {
	if err == nil {
		return nil
	}
	answered := (*client.Error)(nil)
	if !errors.As(err, &answered) {
		if of := cause.Of(err); of != err {
			return of
		}
		if text, ours := strings.CutPrefix(err.Error(), "rejoin: "); ours {
			return errors.New(text)
		}
		return err
	}
	text := answered.Message
	if answered.DevMessage != "" && !strings.HasSuffix(text, answered.DevMessage) {
		text += ": " + answered.DevMessage
	}
	for _, f := range answered.Fields {
		if f.Pointer == "/data" {
			text = f.Message // of the file: no more is to be said
			break
		}
		text += "; " + f.Pointer + ": " + f.Message
	}
	if answered.RequestID != "" {
		text += " [request " + answered.RequestID + "]"
	}
	return errors.New(text)
}

// reportFailures reports the first rows that have failed.
func reportFailures(ctx context.Context, api *client.Client, out io.Writer, of *client.BulkUpdate) error {
	reported := 0
	for row, err := range api.Bulk.Details(ctx, of.BulkID, client.BulkRowFailed) {
		if err != nil {
			return err
		}
		if reported++; reported > bulkFailures {
			fmt.Fprintf(out, "... and %s; --results writes them all\n", counted(int(of.Failed)-bulkFailures, "more row"))
			break
		}
		for _, e := range row.Errors {
			column := ""
			if e.Column != "" {
				column = ", " + printable(e.Column)
			}
			fmt.Fprintf(out, "row %d%s: %s\n", row.Row, column, printable(e.Message))
		}
	}
	return nil
}

// checkResults refuses, before anything is sent, a file of results that is the one that is sent, or that is there and may not be replaced.
func (c bulkCommand) checkResults() error {
	there, err := os.Stat(c.Results)
	if errors.Is(err, fs.ErrNotExist) {
		if err := writable(c.Results); err != nil {
			return err
		}
		return os.Remove(c.Results)
	}
	if err != nil {
		return err
	}
	if there.IsDir() {
		return fmt.Errorf("%s: is a directory, and must be a file", c.Results)
	}
	if sent, err := os.Stat(c.File); err == nil && os.SameFile(sent, there) {
		return fmt.Errorf("%s: is the file that is sent", c.Results)
	}
	if there.Mode().IsRegular() && !c.Replace {
		return fmt.Errorf("%s: is there already; --replace lets it be replaced", c.Results)
	}
	if !there.Mode().IsRegular() { // a pipe, or the like: to open it may be to wait for who reads it
		return nil
	}
	beside, err := os.CreateTemp(filepath.Dir(c.Results), "rejoin-bulk-") // it is another file that will be there
	if err != nil {
		return err
	}
	return errors.Join(beside.Close(), os.Remove(beside.Name()))
}

// writeResults writes what became of each row into a file. What was replaced of one may have been for others to read: it is another one then.
func (c bulkCommand) writeResults(ctx context.Context, api *client.Client, id string) error {
	from, err := api.Bulk.DetailsFile(ctx, id, "")
	if err != nil {
		return err
	}
	defer from.Close()
	how := os.O_CREATE | os.O_EXCL | os.O_WRONLY
	there, err := os.Stat(c.Results)
	switch {
	case err != nil || there.Mode().IsRegular() && !c.Replace: // which is not there, or will be refused
	case there.Mode().IsRegular():
		if err := os.Remove(c.Results); err != nil {
			return err
		}
	default: // a pipe, or the like
		how = os.O_WRONLY
	}
	to, err := os.OpenFile(c.Results, how, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/rejoin-dev/rejoin/client"
	"github.com/rejoin-dev/rejoin/server/internal/cause"
)

type bulkCommand struct {
	URL     string `required:"" help:"Address where the backend answers." placeholder:"URL"`
	Key     string `required:"" help:"API key of the community, with the permission bulkUpdateUser. What is on a command line, others on the machine may see: better use the variable." placeholder:"KEY"`
	Type    string `default:"update" enum:"import,update,premium" help:"What the file is for: import, update or premium."`
	Again   bool   `help:"Have the rows done once more, where the same file was sent within the last 24 hours. Without it, that one is followed."`
	Follow  string `help:"Send nothing, and follow a file that was sent." placeholder:"ID"`
	Results string `help:"Write what became of each row into a CSV file, which only its owner may read. It must not be there yet." placeholder:"FILE"`
	Replace bool   `help:"Let --results replace a file that is there."`
	File    string `arg:"" optional:"" type:"existingfile" help:"CSV file with a row for each member."`
}

// Help is what the command does besides.
func (bulkCommand) Help() string {
	return `The file is taken whole or not at all, and its rows are done by the backend, each of them once. To stop this command does not stop that.
It waits while the backend restarts. Exit code: 0 if every row is done, 1 if one has failed or the file has ended before, 2 for a command line that makes no sense.`
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
	if (c.File == "") == (c.Follow == "") {
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
	api, err := client.New(c.URL, client.WithToken(c.Key), client.WithoutRetry())
	if err != nil { // what Validate leaves
		return errors.New("--url and --key must not be empty")
	}
	if c.Results != "" {
		if err := c.checkResults(); err != nil {
			return err
		}
	}
	// Whether there is a backend, and whether it takes the key, is reported before all of a file is sent.
	if _, err := api.Bulk.Template(ctx, client.BulkType(c.Type)); err != nil {
		return said(err)
	}
	show := newBulkProgress(t.err, isTerminal(t.err))
	defer show.end()
	id := c.Follow
	if id == "" {
		if id, err = c.send(ctx, api, show); err != nil {
			return stoppedOr(ctx, err, "if the file was taken whole, its rows are done all the same")
		}
	}
	ended, err := follow(ctx, api, show, id)
	show.end()
	if err != nil {
		return stoppedOr(ctx, err, "the rows are done all the same: rejoin bulk --follow "+id)
	}
	fmt.Fprintf(t.out, "%s: %d of %s done, %d failed\n", ended.Status, ended.Processed, counted(int(ended.Total), "row"), ended.Failed)
	if c.Results != "" {
		err = c.writeResults(ctx, api, id)
	}
	if ended.Status == client.BulkIsDone {
		return said(err)
	}
	if err = errors.Join(err, reportFailures(ctx, api, t.out, ended)); err != nil {
		return said(err)
	}
	return errFailed
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
func (c bulkCommand) send(ctx context.Context, api *client.Client, show *bulkProgress) (id string, err error) {
	file, err := os.Open(c.File)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s: must be a file, which can be read again if it has to be sent again", c.File)
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
	if sent, err := os.Stat(c.File); err == nil && os.SameFile(sent, there) {
		return fmt.Errorf("%s: is the file that is sent", c.Results)
	}
	if there.Mode().IsRegular() && !c.Replace {
		return fmt.Errorf("%s: is there already; --replace lets it be replaced", c.Results)
	}
	return nil
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

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/rejoin-dev/rejoin/client"
)

type bulkCommand struct {
	URL  string `required:"" help:"Where the backend answers."`
	Key  string `required:"" help:"An API key of the community with bulkUpdateUser."`
	Type string `default:"update" enum:"import,update,premium" help:"What the file is for: import, update or premium."`
	File string `arg:"" type:"existingfile" help:"The CSV file."`
}

// How often it is asked how far the file is, and how many rows that have failed are told one by one.
const (
	bulkAsked    = 500 * time.Millisecond
	bulkFailures = 20
)

// Run sends the file, and follows it to its end.
func (c bulkCommand) Run(ctx context.Context, t terminal) error {
	api, err := client.New(c.URL, client.WithToken(c.Key))
	if err != nil {
		return err
	}
	queued, err := c.send(ctx, api)
	if err != nil {
		return err
	}
	fmt.Fprintln(t.err, "rejoin: the file is", queued.BulkID)
	ended, err := c.follow(ctx, api, t, queued.BulkID)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "%s: %d of %d rows done, %d failed\n", ended.Status, ended.Processed, ended.Total, ended.Failed)
	if ended.Status == client.BulkIsDone {
		return nil
	}
	return errors.Join(tellFailures(ctx, api, t, ended), errFailed)
}

// send sends the file.
func (c bulkCommand) send(ctx context.Context, api *client.Client) (*client.BulkQueued, error) {
	file, err := os.Open(c.File)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	send := map[string]func(context.Context, io.Reader, ...client.CreateOption) (*client.BulkQueued, error){
		"import": api.Bulk.Import, "update": api.Bulk.Update, "premium": api.Bulk.UpdatePremium,
	}[c.Type]
	return send(ctx, file) // it can be read again, should it have to be sent again
}

// follow asks how far the file is, until it has ended.
func (c bulkCommand) follow(ctx context.Context, api *client.Client, t terminal, id string) (*client.BulkUpdate, error) {
	show, end := progressOn(t)
	defer end()
	for {
		is, err := api.Bulk.Status(ctx, id)
		if err != nil {
			return nil, err
		}
		show(is)
		if _, ended := is.FinishedAt.Get(); ended {
			return is, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: the file goes on, as %s", context.Cause(ctx), id)
		case <-time.After(bulkAsked):
		}
	}
}

// progressOn shows how far a file is: on a terminal as a bar, elsewhere as a line for each tenth.
func progressOn(t terminal) (show func(*client.BulkUpdate), end func()) {
	if isTerminal(t.err) {
		bars := mpb.New(mpb.WithOutput(t.err), mpb.WithWidth(50))
		var bar *mpb.Bar
		return func(is *client.BulkUpdate) {
				if bar == nil {
					bar = bars.AddBar(int64(is.Total), mpb.PrependDecorators(decor.CountersNoUnit("%d / %d rows")), mpb.AppendDecorators(decor.Percentage()))
				}
				bar.SetCurrent(int64(is.Processed))
			}, func() {
				if bar != nil {
					bar.Abort(false)
				}
				bars.Wait()
			}
	}
	told := int32(-1)
	return func(is *client.BulkUpdate) {
		if tenth := is.Processed * 10 / max(1, is.Total); tenth > told {
			told = tenth
			fmt.Fprintf(t.err, "rejoin: %s, %d of %d rows\n", is.Status, is.Processed, is.Total)
		}
	}, func() {}
}

// tellFailures tells the first rows that have failed.
func tellFailures(ctx context.Context, api *client.Client, t terminal, of *client.BulkUpdate) error {
	told := 0
	for row, err := range api.Bulk.Details(ctx, of.BulkID, client.BulkRowFailed) {
		if err != nil {
			return err
		}
		if told++; told > bulkFailures {
			fmt.Fprintf(t.out, "... and %d more\n", int(of.Failed)-bulkFailures)
			break
		}
		for _, e := range row.Errors {
			column := ""
			if e.Column != "" {
				column = ", " + e.Column
			}
			fmt.Fprintf(t.out, "row %d%s: %s\n", row.Row, column, e.Message)
		}
	}
	return nil
}

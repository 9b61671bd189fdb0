package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/rejoin-dev/rejoin/client"
)

// A bulkProgress shows how far a file is: on a terminal as a bar, elsewhere as a line for each tenth.
type bulkProgress struct {
	out      io.Writer
	bars     *mpb.Progress // nil: it is no terminal
	sent     *mpb.Bar
	done     *mpb.Bar
	reported int32

	mu     sync.Mutex
	status client.BulkStatus // beside the bar
}

func newBulkProgress(out io.Writer, live bool) *bulkProgress {
	p := &bulkProgress{out: out, reported: -1}
	if live {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(60), mpb.WithAutoRefresh())
	}
	return p
}

// sending shows how much of the file was read, which is as much as was sent.
func (p *bulkProgress) sending(file *os.File, size int64) io.ReadSeeker {
	if p.bars == nil {
		return file
	}
	p.sent = p.bars.AddBar(size, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name("sending "), decor.CountersKibiByte("% .1f / % .1f")), mpb.AppendDecorators(decor.Percentage()))
	return readSeeker{file, p.sent}
}

// A readSeeker counts what is read of a file, and knows when that begins again.
type readSeeker struct {
	*os.File
	bar *mpb.Bar
}

func (r readSeeker) Read(p []byte) (int, error) {
	n, err := r.File.Read(p)
	r.bar.IncrBy(n)
	return n, err
}

func (r readSeeker) Seek(offset int64, whence int) (int64, error) {
	at, err := r.File.Seek(offset, whence)
	r.bar.SetCurrent(at)
	return at, err
}

// rows shows how many rows were done.
func (p *bulkProgress) rows(is *client.BulkUpdate) {
	if p.bars == nil {
		if tenth := is.Processed * 10 / max(1, is.Total); tenth > p.reported {
			p.reported = tenth
			p.note(fmt.Sprintf("%s, %d of %s", is.Status, is.Processed, counted(int(is.Total), "row")))
		}
		return
	}
	p.mu.Lock()
	p.status = is.Status
	p.mu.Unlock()
	if p.done == nil {
		if p.sent != nil { // nothing was, where a file is only followed
			p.sent.Abort(true)
		}
		p.done = p.bars.AddBar(int64(is.Total), mpb.PrependDecorators(decor.Any(p.shownStatus), decor.CountersNoUnit("%d / %d rows")),
			mpb.AppendDecorators(decor.Percentage()))
	}
	p.done.SetCurrent(int64(is.Processed))
}

func (p *bulkProgress) shownStatus(decor.Statistics) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.status) + " "
}

// note says something, above the bar.
func (p *bulkProgress) note(text string) {
	to := p.out
	if p.bars != nil {
		to = p.bars
	}
	fmt.Fprintln(to, "rejoin:", text)
}

// end leaves the bar as it is.
func (p *bulkProgress) end() {
	if p.bars == nil {
		return
	}
	for _, bar := range []*mpb.Bar{p.sent, p.done} {
		if bar != nil {
			bar.Abort(bar == p.sent)
		}
	}
	p.bars.Wait()
	p.bars = nil
}

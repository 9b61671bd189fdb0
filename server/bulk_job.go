package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/rejoin-dev/rejoin/api/contract"
	"github.com/rejoin-dev/rejoin/gen"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// The rows of a file are done by a job, some in each transaction together with what became of them: whenever its process is killed, a row was done
// with its result or not at all. One file of a community has its turn; who ends it gives the turn to the next. A run of the job is known by its
// name, the runner: should its process die, or be cut off, another run takes over, and the former one, if it is still there, has no turn any more.

const (
	bulkSlice     = 2 * time.Second  // after which the file of another community has its turn in this process
	bulkStalled   = 30 * time.Second // after which another run takes over. A step under way cannot be taken over: it holds the row.
	bulkWatched   = 2 * time.Second  // how often somebody looks for those
	bulkStallsMax = 100              // that are taken over at once
)

// bulkStepLasts is how long a step lasts, after which no other row is begun: others wait to write.
const bulkStepLasts = 200 * time.Millisecond

// mostTold is how many bytes tell what became of the rows of a file, before no more than one error of a row is told. The contract says so.
const mostTold = 64 << 20

// bulkRun is that job.
type bulkRun struct {
	BulkID string `json:"bulkId"`
	Runner string `json:"runner"`
}

// Kind is the name of the job in the database.
func (bulkRun) Kind() string { return "bulk_run" }

// InsertOpts is how the job is run.
func (bulkRun) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: store.BulkJobs} }

type bulkRunner struct {
	river.WorkerDefaults[bulkRun]
	*core
}

// NextRetry is soon: the next file of the community waits for this one.
func (w bulkRunner) NextRetry(*river.Job[bulkRun]) time.Time { return time.Now().Add(time.Second) }

// Work does the rows as far as one run may go, and asks to be run again for the rest.
func (w bulkRunner) Work(ctx context.Context, job *river.Job[bulkRun]) error {
	began := time.Now()
	for how := (bulkStep{bulkRun: job.Args}); ; {
		if isNearlyOver(ctx) || time.Since(began) > bulkSlice && how.until == 0 {
			return river.JobSnooze(0)
		}
		done, err := w.stepOf(ctx, how)
		var broken *brokenRow
		switch {
		case errors.As(err, &broken) && how.until == 0: // which of its effects are there, its transaction took with it
			how.until = broken.until
		case errors.As(err, &broken) && (how.failed == nil || how.failed.Row != broken.done.Row):
			how.failed = &broken.done
		case err != nil:
			return errors.Join(err, w.failed(ctx, job.Args, err))
		case done == 0:
			return nil
		default:
			how.failed = nil
			if done >= how.until {
				how.until = 0
			}
		}
	}
}

// bulkFailures is how many runs of a file may fail, one after the other and without a row that is done, before it is given up: the next file of the
// community waits for it.
const bulkFailures = 5

// failed notes that a run has failed, and gives the file up that was so often so. That the database is away, or that the run was cut off, is no failure of it.
func (k *core) failed(ctx context.Context, run bulkRun, why error) error {
	if errors.Is(why, store.ErrUnavailable) || ctx.Err() != nil {
		return nil
	}
	_, err := inTx(ctx, k, func(tx *store.Tx) (none struct{}, err error) {
		times, err := tx.Bulk.Fail(ctx, run.BulkID, run.Runner)
		if err == nil && times >= bulkFailures {
			_, err = k.endBulk(ctx, tx, run.BulkID, gen.BulkStatusFailed, "its rows could not be done, again and again: the log of the server has the cause")
		}
		if errors.Is(err, store.ErrNotFound) { // another run has it, or it has ended
			err = nil
		}
		return none, err
	})
	return err
}

// panicked is a panic as the error that it is for one file, so that whatever it is about ends as what fails does.
func panicked(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

// A bulkStep is how a step is made.
type bulkStep struct {
	bulkRun
	until  int32           // not 0: the rows up to this one are done one by one, because one of them fails
	failed *store.BulkDone // one of which that is known
}

// A brokenRow is the error of a step in which a row has failed after it had written something: all of the step is rolled back.
type brokenRow struct {
	done  store.BulkDone
	until int32
}

func (b *brokenRow) Error() string { return "row " + strconv.Itoa(int(b.done.Row)) + " has failed" }

func brokenAt(row, until int32, account int64, faults []gen.BulkRowError) *brokenRow {
	return &brokenRow{store.BulkDone{BulkRow: gen.BulkRow{Row: row, Errors: faults}, Account: account}, until}
}

// stepOf does some rows, and returns up to which they are done; 0: there are no more, or the runner has no turn any more.
func (k *core) stepOf(ctx context.Context, how bulkStep) (done int32, err error) {
	var current, last int32
	done, err = inTx(ctx, k, func(tx *store.Tx) (done int32, err error) {
		defer panicked(&err)
		b, err := tx.Bulk.Take(ctx, how.BulkID, how.Runner, k.now())
		if errors.Is(err, store.ErrNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		if _, ended := b.FinishedAt.Get(); ended {
			return 0, errors.Join(tx.Bulk.Release(ctx, b.BulkID), k.nextBulk(ctx, tx, b.ServerID))
		}
		s, may, err := k.standingOfFile(ctx, tx.Queries, b)
		if err != nil {
			return 0, err
		}
		if !may {
			_, err := k.endBulk(ctx, tx, b.BulkID, gen.BulkStatusFailed, "its API key has ended, or may do this no more")
			return 0, err
		}
		lines, err := tx.Bulk.Lines(ctx, b.BulkID)
		if err != nil {
			return 0, err
		}
		if len(lines) == 0 {
			status := gen.BulkStatusDone
			if b.Failed > 0 {
				status = gen.BulkStatusDoneWithErrors
			}
			_, err := k.endBulk(ctx, tx, b.BulkID, status, "")
			return 0, err
		}
		last = lines[len(lines)-1].Number
		return k.doLines(ctx, tx, s, b, lines, how, &current)
	})
	if err == nil || errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil {
		return done, err
	}
	if broken := (*brokenRow)(nil); errors.As(err, &broken) || current == 0 {
		return done, err
	}
	k.log.Error("a row of a bulk update fails", slog.String("bulk", how.BulkID), slog.Int("row", int(current)), slog.Any("error", err))
	return 0, brokenAt(current, last, 0, []gen.BulkRowError{{Message: "Something went wrong: the log of the server has the cause"}})
}

// standingOfFile is how who has sent a file stands in its community, and whether they may still do what it asks for.
func (k *core) standingOfFile(ctx context.Context, q store.Queries, b store.BulkUpdate) (s standing, may bool, err error) {
	key, err := q.Keys.Get(ctx, b.ServerID, b.KeyID)
	if err == nil {
		s.Server, err = q.Servers.Get(ctx, b.ServerID)
	}
	if errors.Is(err, store.ErrNotFound) {
		return s, false, nil
	}
	expires, ends := key.ExpireDate.Get()
	may = key.IsActive && key.IsTrusted && slices.Contains(key.Permissions, gen.KeyPermissionBulkUpdateUser) && !(ends && !expires.After(k.now()))
	s.actor = actor{account: int64(key.UserID), key: &key}
	return s, may, err
}

// doLines does the rows of a chunk that are not done yet, or the next one of them.
func (k *core) doLines(ctx context.Context, tx *store.Tx, s standing, b store.BulkUpdate, lines []store.BulkLine, how bulkStep, current *int32) (int32, error) {
	columns, err := columnsOf(ctx, tx.Queries, s.ID, b.Type)
	if err != nil {
		return 0, err
	}
	ctx = contract.As(ctx, contract.Caller{Scheme: contract.KeyAuth, Permissions: s.actor.key.Permissions, Who: s.actor})
	began := time.Now()
	for _, line := range lines {
		if line.Number <= b.Processed {
			continue
		}
		*current = line.Number
		row := bulkRow{core: k, ctx: ctx, tx: tx, s: s, columns: columns, reason: "bulk/" + b.BulkID + "/" + strconv.Itoa(int(line.Number))}
		result, err := row.do(b.Header, line, how.failed)
		if faults, is := faultsOf(err); is {
			return 0, brokenAt(line.Number, lines[len(lines)-1].Number, row.account, faults)
		}
		if err != nil {
			return 0, err
		}
		if b.Told > mostTold && len(result.Errors) > 1 {
			result.Errors = result.Errors[:1]
		}
		told, err := tx.Bulk.InsertRow(ctx, b.BulkID, result)
		if err != nil {
			return 0, err
		}
		b.Told += told
		b.Processed = line.Number
		if result.Result == gen.BulkResultFailed {
			b.Failed++
		}
		if how.until > 0 || time.Since(began) > k.stepLasts {
			break
		}
	}
	return b.Processed, tx.Bulk.Step(ctx, b, lines)
}

// do does a row, unless it has failed already, and returns what became of it. An error means that it may have written something.
func (r *bulkRow) do(header []string, line store.BulkLine, failed *store.BulkDone) (store.BulkDone, error) {
	result := store.BulkDone{BulkRow: gen.BulkRow{Row: line.Number, Identifier: line.Name, Result: gen.BulkResultSucceeded, Errors: []gen.BulkRowError{}}}
	r.faults, r.cells = line.Errors, map[string]string{}
	for i, cell := range line.Cells {
		if cell = strings.TrimSpace(cell); cell != "" {
			r.cells[header[i]] = cell
		}
	}
	if line.Name == "" {
		result.Identifier = shownName(r.cells[r.columns.identifies()])
	}
	if failed != nil && failed.Row == line.Number {
		r.faults, r.account, r.looked = failed.Errors, failed.Account, true
	}
	if r.faults == nil {
		if err := r.prepare(); err != nil {
			return result, err
		}
	}
	if r.faults != nil && !r.looked && r.columns.kind != gen.BulkTypeImport && result.Identifier != "" { // whose name is told depends on whose it is
		faults := r.faults
		if _, err := r.member(result.Identifier); err != nil {
			return result, err
		}
		r.faults = faults
	}
	if r.faults != nil {
		result.Result, result.Errors = gen.BulkResultFailed, r.faults
	} else {
		for _, do := range r.todo {
			if err := do(); err != nil {
				return result, err
			}
		}
		result.XP, result.Coins, result.Premium = r.line.XP, r.line.Coins, r.line.Premium
	}
	if result.Account = r.account; r.account == 0 {
		result.Identifier = strangersName(result.Identifier)
	}
	return result, nil
}

// nextBulk is the step that gives the turn to the file of a community that has waited longest, if none has it.
func (k *core) nextBulk(ctx context.Context, tx *store.Tx, serverID string) error {
	runner := k.newID()
	id, err := tx.Bulk.Next(ctx, serverID, runner, k.now())
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return tx.Jobs.Insert(ctx, bulkRun{BulkID: id, Runner: runner})
}

// importedUsers is how many accounts the files of API keys make for which one account vouches: some 8,600 a day, and some more at once.
// Config.RateLimit scales it. The contract says so.
var importedUsers = store.Quota{AtOnce: 20_000, Every: 10 * time.Second}

// importing is under which name they are counted.
const importing = "imported"

// payImports is the step that takes the rows of a file that has come from the quota of who vouches for the API key, all of them before any is done: else it
// would be told row by row, much later. It returns who that is.
func (k *core) payImports(ctx context.Context, tx *store.Tx, kind gen.BulkType, rows int) (account int64, err error) {
	if kind != gen.BulkTypeImport || k.imported.AtOnce == 0 {
		return 0, nil
	}
	if rows > k.imported.AtOnce {
		return 0, contract.Invalid(contract.Field("/data", gen.FieldCodeTooLong, "has more rows than users may be imported at once here: "+strconv.Itoa(k.imported.AtOnce)))
	}
	account = actorFrom(ctx).account
	wait, err := tx.Codes.TakeSome(ctx, account, importing, k.imported, rows, k.now())
	if err == nil && wait > 0 {
		limited := contract.RateLimited(wait)
		limited.Message = "Too many users were imported: send this file later, or one with fewer rows"
		err = limited
	}
	return account, err
}

// repayImports is the step that gives back what was taken for rows that were never done. One that has failed is paid for: what it tells, of an address that
// somebody has already, would cost nothing else.
func (k *core) repayImports(ctx context.Context, tx *store.Tx, b store.BulkUpdate) error {
	rows := int(b.Total - b.Processed)
	if b.PaidBy == 0 || rows == 0 {
		return nil
	}
	return tx.Codes.GiveBack(ctx, b.PaidBy, importing, k.imported, rows)
}

// endBulk is the step that ends a file and, if it has failed, says why. One that has ended is ErrNotFound.
func (k *core) endBulk(ctx context.Context, tx *store.Tx, id string, status gen.BulkStatus, reason string) (store.BulkUpdate, error) {
	b, err := tx.Bulk.Finish(ctx, id, status, reason, k.now())
	if err != nil {
		return b, err
	}
	return b, errors.Join(k.leaveBulk(ctx, tx, b), k.nextBulk(ctx, tx, b.ServerID))
}

// leaveBulk is the step that gives back and removes what is left of a file that ends.
func (k *core) leaveBulk(ctx context.Context, tx *store.Tx, b store.BulkUpdate) error {
	if err := k.repayImports(ctx, tx, b); err != nil || b.Processed == b.Total {
		return err
	}
	return tx.Jobs.Insert(ctx, bulkRemoval{BulkID: b.BulkID})
}

// watchBulk takes over what nobody does any more, until stop is called. Who is alone with a database knows at once that nobody else does anything.
func (k *core) watchBulk() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		before := k.now().Add(-bulkStalled)
		if k.store.Alone() {
			before = k.now().Add(bulkLife)
		}
		for {
			if err := k.takeOver(ctx, before); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrUnavailable) {
				k.log.Error("bulk updates cannot be looked through", slog.Any("error", err))
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(bulkWatched):
				before = k.now().Add(-bulkStalled)
			}
		}
	}()
	return func() { cancel(); <-done }
}

// takeOver gives each file that has its turn, and to which nothing has happened since before a moment, to another run. One of which that fails keeps no other.
func (k *core) takeOver(ctx context.Context, before time.Time) error {
	stalled, err := k.store.Bulk.ListStalled(ctx, before, bulkStallsMax)
	for _, id := range stalled {
		_, failed := inTx(ctx, k, func(tx *store.Tx) (none struct{}, err error) {
			runner := k.newID()
			taken, err := tx.Bulk.TakeOver(ctx, id, runner, before, k.now())
			if err == nil && taken {
				err = tx.Jobs.Insert(ctx, bulkRun{BulkID: id, Runner: runner})
			}
			return none, err
		})
		err = errors.Join(err, failed)
	}
	return err
}

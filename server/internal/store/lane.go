package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	mostMembers = 128  // of a group, so that nobody waits for its commit forever
	mostKept    = 1000 // statements that are kept prepared
)

// errGroup is over by itself.
var errGroup = errors.New("the transactions that it was to be committed with have failed")

var errLaneClosed = errors.New("the database is closed")

// A lane is the only connection that writes to a SQLite file, a queue of writes with group commit. Everybody who writes
// shares it: to database/sql, which gives it to the store, to the migrations and to the queue of jobs alike, it is a driver
// with any number of connections.
//
// Transactions take turns on it. Each one runs in a savepoint of its own, and whoever leaves while nobody waits for a turn
// commits for all that ran since the last commit, its group. So those who come while the disk is busy with one group are
// the next one, and share one flush of the disk. All return when their group is on the disk; whoever is rolled back, too,
// because they may have seen what others of the group have written. One that is rolled back leaves no trace. If the commit
// fails, or SQLite gives up the whole transaction in between, all of the group fail.
type lane struct {
	connect func() (driver.Conn, error)
	changes *changes
	written func() // is called when something was written to the disk

	queue
	open atomic.Bool   // whether a group has begun and has not ended
	turn chan struct{} // holds something while somebody has the turn; those who wait get it in their order
	// What follows is for whoever has the turn.
	conn   driver.Conn // nil: none is open
	kept   map[string]*keptStatement
	group  *group // nil: none has begun
	wrote  bool   // the member that runs has changed a row
	seen   int64  // PRAGMA data_version, which others' commits change
	closed bool
}

func newLane(changes *changes, connect func() (driver.Conn, error), written func()) *lane {
	return &lane{connect: connect, changes: changes, written: written, turn: make(chan struct{}, 1)}
}

// A group is the transactions that are committed together.
type group struct {
	began   time.Time
	members int
	wrote   bool          // one of them has changed a row
	err     error         // why none of them can be committed
	done    chan struct{} // closed when they are, or are not
}

// Connect is for database/sql.
func (l *lane) Connect(context.Context) (driver.Conn, error) { return &writer{lane: l}, nil }

// Driver is for database/sql.
func (l *lane) Driver() driver.Driver { return &sqlite.Driver{} }

// Close is called by database/sql. Whoever has left is committed first; whoever comes later is refused.
func (l *lane) Close() error {
	l.turn <- struct{}{}
	defer l.release()
	if l.group != nil {
		l.end()
	}
	l.closed = true
	return l.disconnect()
}

// A patient context lasts, whatever becomes of the one that it is made from. That one only ends the waiting for a turn.
type patient struct {
	context.Context
	until context.Context
}

func patientOf(ctx context.Context) patient { return patient{context.WithoutCancel(ctx), ctx} }

// wait waits for the turn. Without an error the caller has it, and must pass it on.
func (l *lane) wait(ctx context.Context) error {
	if p, ok := ctx.(patient); ok {
		ctx = p.until
	}
	if err := l.join(); err != nil {
		l.endLeft()
		return err
	}
	select {
	case l.turn <- struct{}{}:
		l.quit()
	case <-ctx.Done():
		l.goAway()
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil { // both have happened
		l.pass()
		return err
	}
	if l.closed {
		l.pass()
		return errLaneClosed
	}
	return nil
}

// goAway is for who has waited and does no more.
func (l *lane) goAway() {
	l.quit()
	l.endLeft()
}

// endLeft ends a group that may have been left to who goes away, if nobody has the turn.
func (l *lane) endLeft() {
	select {
	case l.turn <- struct{}{}:
		l.pass()
	default:
	}
}

// enter waits for a turn and begins the transaction of one member.
func (l *lane) enter(ctx context.Context) error {
	if err := l.wait(ctx); err != nil {
		return err
	}
	if err := l.begin(); err != nil {
		l.pass()
		return err
	}
	return nil
}

func (l *lane) begin() error {
	if l.group == nil {
		err := l.beginGroup()
		if err != nil && !isBusy(err) { // whatever may have happened to the connection, a new one knows nothing of it
			l.disconnect()
			err = l.beginGroup()
		}
		if err != nil {
			return err
		}
		l.group = &group{began: time.Now(), done: make(chan struct{})}
		l.open.Store(true)
	}
	l.wrote = false
	return l.member("SAVEPOINT member")
}

func (l *lane) beginGroup() error {
	if err := l.reconnect(); err != nil {
		return err
	}
	if err := l.command("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	return l.lookForOthers()
}

// lookForOthers forgets what is remembered if somebody has written past the lane: nobody should, but somebody with another
// program can.
func (l *lane) lookForOthers() error {
	s, err := l.statement("PRAGMA data_version")
	if err != nil {
		return err
	}
	rows, err := s.query(nil)
	if err != nil {
		return err
	}
	version := make([]driver.Value, 1)
	if err := errors.Join(rows.Next(version), rows.Close(), s.release()); err != nil {
		return err
	}
	now, _ := version[0].(int64)
	if l.seen != 0 && now != l.seen {
		l.changes.forget()
	}
	l.seen = now
	return nil
}

// leave ends the turn of a member, whose changes are kept or not, and waits until the group is on the disk. If it is not, that
// is the error for all: also who was rolled back may have seen what has not come to be.
func (l *lane) leave(keep bool) error {
	g := l.group
	if keep || l.member("ROLLBACK TO member") == nil {
		l.member("RELEASE member")
	}
	g.members++
	g.wrote = g.wrote || keep && l.wrote
	l.pass()
	<-g.done
	if g.err != nil && g.members > 1 {
		return fmt.Errorf("%w: %w", errGroup, g.err)
	}
	return g.err
}

// member runs a command without which the group cannot go on.
func (l *lane) member(text string) error {
	if l.group.err == nil {
		l.group.err = l.command(text)
	}
	return l.group.err
}

// pass gives the turn to the next one. If nobody waits for it, or the group cannot go on, the group ends.
func (l *lane) pass() {
	for {
		if g := l.group; g != nil && (g.err != nil || g.members >= mostMembers || l.waiting.Load() == 0) {
			l.end()
		}
		l.release()
		// Whoever the group was left to may have gone away meanwhile.
		if !l.open.Load() || l.waiting.Load() > 0 {
			return
		}
		select {
		case l.turn <- struct{}{}:
		default:
			return // the one who has it now passes, too
		}
	}
}

func (l *lane) release() { <-l.turn }

// end commits the group, or rolls it back.
func (l *lane) end() {
	g := l.group
	l.group = nil
	l.open.Store(false)
	l.changes.begin()
	if g.err == nil {
		g.err = l.command("COMMIT")
	}
	if g.err != nil {
		l.command("ROLLBACK") // there is nothing to roll back where SQLite has done so by itself
		if code := sqliteCode(g.err); cannotWrite(code) && code != sqlite3.SQLITE_FULL {
			l.disconnect() // a file that was read-only when it was opened stays so for the connection
		}
	} else if g.wrote {
		l.written()
	}
	l.changes.end()
	l.took(time.Since(g.began), max(1, g.members))
	close(g.done)
}

func (l *lane) reconnect() (err error) {
	if l.conn == nil {
		l.kept, l.seen = map[string]*keptStatement{}, 0
		l.conn, err = l.connect()
	}
	return err
}

func (l *lane) disconnect() error {
	if l.conn == nil {
		return nil
	}
	var err error
	for _, s := range l.kept {
		err = errors.Join(err, s.Close())
	}
	err = errors.Join(err, l.conn.Close())
	l.conn, l.kept = nil, nil
	return err
}

// A keptStatement is prepared once and run many times.
type keptStatement struct {
	driver.Stmt
	busy bool // its rows are being read
	once bool // it is not kept
}

// statement finds or prepares one. A statement whose rows are still being read cannot be run again: another one is made.
func (l *lane) statement(text string) (*keptStatement, error) {
	found := l.kept[text]
	if found != nil && !found.busy {
		return found, nil
	}
	stmt, err := l.conn.Prepare(text)
	if err != nil {
		return nil, err
	}
	s := &keptStatement{Stmt: stmt, once: found != nil || len(l.kept) >= mostKept}
	if !s.once {
		l.kept[text] = s
	}
	return s, nil
}

// exec and query do not carry the context of the member: one that is interrupted may roll back the whole group.
func (s *keptStatement) exec(args []driver.NamedValue) (driver.Result, error) {
	return s.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), args)
}

func (s *keptStatement) query(args []driver.NamedValue) (driver.Rows, error) {
	return s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), args)
}

// release gives a statement back that was run.
func (s *keptStatement) release() error {
	s.busy = false
	if s.once {
		return s.Close()
	}
	return nil
}

// command runs what has neither arguments nor rows.
func (l *lane) command(text string) error {
	s, err := l.statement(text)
	if err != nil {
		return err
	}
	_, err = s.exec(nil)
	return errors.Join(err, s.release())
}

// run runs a statement of a member.
func run[T any](l *lane, text string, do func(*keptStatement) (T, error)) (result T, err error) {
	if l.group.err != nil {
		return result, l.group.err
	}
	s, err := l.statement(text)
	if err == nil {
		writes := l.changes.of(text).writes
		l.changes.touch(writes)
		result, err = do(s)
		l.wrote = l.wrote || err == nil && len(writes) > 0 && changedRows(result)
	}
	if endsGroup(err) {
		l.group.err = err
	}
	return result, err
}

// changedRows tells whether a statement that may change rows has changed one. One that returns rows may have.
func changedRows(result any) bool {
	of, ok := result.(driver.Result)
	if !ok {
		return true
	}
	n, err := of.RowsAffected()
	return err == nil && n > 0
}

// endsGroup tells whether SQLite may have rolled back more than the statement that failed.
func endsGroup(err error) bool {
	code := sqliteCode(err)
	switch code {
	case sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_CORRUPT:
		return true
	}
	return cannotWrite(code)
}

// isBusy tells whether another program has the file locked.
func isBusy(err error) bool {
	return sqliteCode(err) == sqlite3.SQLITE_BUSY
}

// A writer is what database/sql takes for a connection of its own. A statement outside of a transaction is one by itself.
type writer struct {
	*lane
	inTx bool
}

// BeginTx waits for a turn.
func (w *writer) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	w.inTx = true
	return w, nil
}

// Commit returns when the transaction is on the disk, or an error if it is not.
func (w *writer) Commit() error { return w.leaveTx(true) }

// Rollback undoes the transaction.
func (w *writer) Rollback() error { return w.leaveTx(false) }

func (w *writer) leaveTx(keep bool) error {
	w.inTx = false
	return w.leave(keep)
}

// ExecContext runs a statement that returns no rows.
func (w *writer) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	return inTurn(ctx, w, func() (driver.Result, error) {
		return run(w.lane, text, func(s *keptStatement) (driver.Result, error) {
			result, err := s.exec(args)
			return result, errors.Join(err, s.release())
		})
	})
}

// QueryContext runs a statement that returns rows.
func (w *writer) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return inTurn(ctx, w, func() (driver.Rows, error) {
		rows, err := run(w.lane, text, func(s *keptStatement) (driver.Rows, error) {
			rows, err := s.query(args)
			if err != nil {
				return nil, errors.Join(err, s.release())
			}
			s.busy = true
			return &laneRows{rows, s, w.lane}, nil
		})
		if err != nil || w.inTx {
			return rows, err
		}
		return readWhole(rows) // before the turn ends
	})
}

// inTurn runs one statement, in a turn of its own unless the writer has one.
func inTurn[T any](ctx context.Context, w *writer, do func() (T, error)) (result T, err error) {
	if w.inTx {
		return do()
	}
	if err := w.enter(ctx); err != nil {
		return result, err
	}
	result, err = do()
	return result, errors.Join(err, w.leave(err == nil))
}

// Ping tells whether the file can be opened.
func (w *writer) Ping(ctx context.Context) error {
	if err := w.wait(ctx); err != nil {
		return err
	}
	defer w.pass()
	return w.reconnect()
}

// Close is called by database/sql. A transaction that is not committed is rolled back.
func (w *writer) Close() error {
	if w.inTx {
		return w.Rollback()
	}
	return nil
}

// Begin is not called where BeginTx is there.
func (w *writer) Begin() (driver.Tx, error) {
	return w.BeginTx(context.Background(), driver.TxOptions{})
}

// Prepare is refused: the lane itself keeps prepared what it runs.
func (w *writer) Prepare(string) (driver.Stmt, error) {
	return nil, errors.New("statements that write are not prepared by their callers")
}

// laneRows are rows of a statement that is kept.
type laneRows struct {
	driver.Rows
	of   *keptStatement
	lane *lane
}

// Next reads a row, and sees when the group cannot go on.
func (r *laneRows) Next(into []driver.Value) error {
	err := r.Rows.Next(into)
	if endsGroup(err) && r.lane.group != nil {
		r.lane.group.err = err
	}
	return err
}

// Close gives the statement back.
func (r *laneRows) Close() error { return errors.Join(r.Rows.Close(), r.of.release()) }

// wholeRows are rows that were read.
type wholeRows struct {
	columns []string
	rows    [][]driver.Value
}

func readWhole(from driver.Rows) (driver.Rows, error) {
	whole := &wholeRows{columns: from.Columns()}
	for {
		row := make([]driver.Value, len(whole.columns))
		switch err := from.Next(row); {
		case errors.Is(err, io.EOF):
			return whole, from.Close()
		case err != nil:
			return nil, errors.Join(err, from.Close())
		}
		whole.rows = append(whole.rows, row)
	}
}

// Columns are their names.
func (r *wholeRows) Columns() []string { return r.columns }

// Close has nothing left to do.
func (r *wholeRows) Close() error { return nil }

// Next gives a row.
func (r *wholeRows) Next(into []driver.Value) error {
	if len(r.rows) == 0 {
		return io.EOF
	}
	copy(into, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}

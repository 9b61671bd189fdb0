package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	mostWriters = 256  // that are in the lane at once; the others wait for them in database/sql
	mostMembers = 128  // of a group, so that nobody waits for its commit forever
	mostKept    = 1000 // statements that are kept prepared
)

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

	waiting atomic.Int64
	turn    sync.Mutex
	// What follows is for whoever has the turn.
	conn  driver.Conn // nil: none is open
	kept  map[string]*keptStatement
	group *group // nil: none has begun
}

// A group is the transactions that are committed together.
type group struct {
	members int
	err     error         // why none of them can be committed
	done    chan struct{} // closed when they are, or are not
}

// Connect is for database/sql.
func (l *lane) Connect(context.Context) (driver.Conn, error) { return &writer{lane: l}, nil }

// Driver is for database/sql.
func (l *lane) Driver() driver.Driver { return &sqlite.Driver{} }

// Close is called by database/sql after the last writer has left.
func (l *lane) Close() error {
	l.turn.Lock()
	defer l.turn.Unlock()
	return l.disconnect()
}

// enter waits for a turn and begins the transaction of one member.
func (l *lane) enter(ctx context.Context) error {
	l.waiting.Add(1)
	l.turn.Lock()
	l.waiting.Add(-1)
	err := ctx.Err() // it may have ended meanwhile
	if err == nil {
		err = l.begin()
	}
	if err != nil {
		l.pass()
	}
	return err
}

func (l *lane) begin() error {
	if l.group == nil {
		err := l.beginGroup()
		if err != nil { // whatever may have happened to the connection, a new one knows nothing of it
			l.disconnect()
			err = l.beginGroup()
		}
		if err != nil {
			return err
		}
		l.group = &group{done: make(chan struct{})}
	}
	return l.member("SAVEPOINT member")
}

func (l *lane) beginGroup() error {
	if err := l.reconnect(); err != nil {
		return err
	}
	return l.command("BEGIN IMMEDIATE")
}

// leave ends the turn of a member, whose changes are kept or not, and waits until the group is on the disk.
func (l *lane) leave(keep bool) error {
	g := l.group
	var err error
	if !keep {
		err = l.member("ROLLBACK TO member")
	}
	if err == nil {
		err = l.member("RELEASE member")
	}
	g.members++
	l.pass()
	<-g.done
	if keep {
		return g.err
	}
	return err
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
	if g := l.group; g != nil && (g.err != nil || g.members >= mostMembers || l.waiting.Load() == 0) {
		l.group = nil
		l.end(g)
	}
	l.turn.Unlock()
}

func (l *lane) end(g *group) {
	l.changes.begin()
	if g.err == nil {
		g.err = l.command("COMMIT")
	}
	if g.err != nil {
		l.command("ROLLBACK") // there is nothing to roll back where SQLite has done so by itself
	}
	l.changes.end()
	close(g.done)
}

func (l *lane) reconnect() (err error) {
	if l.conn == nil {
		l.kept = map[string]*keptStatement{}
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
	_, err = s.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), nil)
	return errors.Join(err, s.release())
}

// run runs a statement of a member. It does not carry the context of the member: one that is interrupted may
// roll back the whole group.
func run[T any](l *lane, text string, do func(*keptStatement) (T, error)) (result T, err error) {
	if l.group.err != nil {
		return result, l.group.err
	}
	s, err := l.statement(text)
	if err == nil {
		l.changes.touch(l.changes.of(text).writes)
		result, err = do(s)
	}
	if endsGroup(err) {
		l.group.err = err
	}
	return result, err
}

// endsGroup tells whether SQLite may have rolled back more than the statement that failed.
func endsGroup(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_CORRUPT:
		return true
	}
	return false
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
			result, err := s.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), args)
			return result, errors.Join(err, s.release())
		})
	})
}

// QueryContext runs a statement that returns rows.
func (w *writer) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return inTurn(ctx, w, func() (driver.Rows, error) {
		rows, err := run(w.lane, text, func(s *keptStatement) (driver.Rows, error) {
			rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), args)
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

// Ping tells whether the file can be written to.
func (w *writer) Ping(context.Context) error {
	w.turn.Lock()
	defer w.turn.Unlock()
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

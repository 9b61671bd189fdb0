package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerifyNamesEachNumberThatIsNotWhatItIsMadeOf(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	const good = "rejoin: every number that is kept is what it is made of\n"
	t.Run("serve", func(t *testing.T) {
		_, base := serve(t, "--data", data)
		callerOf(t, data, base).club()
		if code, stdout, stderr := rejoin("verify", "--data", data); code != 0 || stdout != "" || stderr != good {
			t.Errorf("while it runs: %d %q %q", code, stdout, stderr)
		}
	})
	if code, stdout, stderr := rejoin("verify", "--data", data); code != 0 || stdout != "" || stderr != good {
		t.Errorf("while nobody runs: %d %q %q", code, stdout, stderr)
	}
	db, err := sql.Open("sqlite", filepath.Join(data, "rejoin.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`UPDATE totals SET xp = xp + 1, messages = messages - 2`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := rejoin("verify", "--data", data)
	if lines := strings.Split(strings.TrimSpace(stdout), "\n"); code != 1 || len(lines) != 2 || !strings.Contains(lines[0], "xp is off by 1") || !strings.Contains(lines[1], "messages is off by -2") {
		t.Errorf("got %d %q", code, stdout)
	}
	if stderr != "rejoin: 2 numbers are not what they are made of\n" {
		t.Errorf("it says %q", stderr)
	}
	serve(t, "--data", data)
	if code, again, _ := rejoin("verify", "--data", data); code != 1 || again != stdout {
		t.Errorf("asked of a server: %d %q", code, again)
	}
}

// damages are what somebody might do to a database, by the comparison that must notice it.
var damages = map[string]string{
	"tallies":                           `UPDATE tallies SET n = n + 1 WHERE kind = 'members'`,
	"proofs":                            `INSERT INTO images (id, account, bytes, state, at) VALUES ('x', 1, 1, 'private', 0)`,
	"applications for what was awarded": `INSERT INTO badge_applications (id, badge_id, server_id, account, note, at) SELECT 'x', badge_id, server_id, account, '', 0 FROM member_badges`,
	"messages":                          `INSERT INTO message_totals (scope, account, shard, n) SELECT id, 0, 99, 1 FROM channels`,
	"reactions":                         saidInSQL + `; INSERT INTO message_reaction_counts (message, emoji, n, at) VALUES (7, ':ok:', 1, 0)`,
	"prizes drawn":                      gameInSQL + `; INSERT INTO mini_game_prizes (id, game_id, stock, drawn) VALUES ('x', 'game', 2, 1)`,
	"plays":                             gameInSQL + `; INSERT INTO mini_game_players (game_id, account, server_id, day, today, free, extra, total, last_at) SELECT 'game', owner, id, 0, 0, 0, 0, 1, 0 FROM servers`,
	"totals against days":               `UPDATE totals SET coins = coins + 1`,
	"days against the ledger":           `UPDATE days SET messages = messages + 1`,
	"days of servers against those of members": `UPDATE server_days SET coins = coins + 1`,
	"joins":                              `UPDATE server_days SET joined = joined + 1`,
	"active days against days":           `INSERT INTO active_days (server_id, day, since, shard, n, gone) SELECT id, 1, 1, 0, 1, 0 FROM servers`,
	"days against the days before them":  `UPDATE days SET since = since - 1 WHERE active = 1`,
	"last days":                          `UPDATE totals SET acted = acted + 1`,
	"messages against the ledger":        saidInSQL,
	"replies against the ledger":         saidInSQL + `; UPDATE messages SET reply_to = 'gone'`,
	"plays against the ledger":           gameInSQL + `; INSERT INTO mini_game_plays (id, game_id, account, server_id, prize_id, taken, prize, at) SELECT 'x', 'game', owner, id, 'x', 0, '{}', 0 FROM servers`,
	"badges against the ledger":          `UPDATE ledger SET reason = 'badges/x' WHERE action = 'badges'`,
	"streaks against the ledger":         `INSERT INTO streak_logs (account, server_id, streak_id, period, id, name, length, xp, coins, at) SELECT owner, id, 'x', '2026-03-02/daily', 'x', '', 1, 5, 0, 0 FROM servers`,
	"stocks against orders":              soldInSQL,
	"codes of orders":                    soldInSQL + `; UPDATE orders SET product = '{"type":"voucher"}'`,
	"coins of orders against the ledger": soldInSQL + `; UPDATE orders SET total = 5`,
	"bulk rows":                          sentInSQL,
	"bulk rows against the ledger":       sentInSQL + `; INSERT INTO bulk_rows (bulk_id, number, identifier, failed, errors, account, coins) SELECT 'x', 1, '', FALSE, '[]', owner, 5 FROM servers`,
	"balances below zero":                `UPDATE totals SET premium = -1`,
	"last visits":                        `UPDATE totals SET visited = visited - 1`,
	"visits in a row":                    `UPDATE totals SET visits_run = visits_run + 1`,
}

const (
	saidInSQL = `INSERT INTO messages (id, server_id, channel_id, position, account, text, at) SELECT 'x', s.id, c.id, 7, s.owner, '', 0 FROM servers s JOIN channels c ON c.server_id = s.id`
	soldInSQL = `INSERT INTO products (id, server_id, definition, name, type, price, position, archived, discounted, restricted, access, created_at, updated_at) SELECT 'product', id, '{}', '', 'physical', 5, 0, FALSE, FALSE, FALSE, '', 0, 0 FROM servers;
	INSERT INTO product_stock (product_id, stock) VALUES ('product', 2);
	INSERT INTO orders (id, transaction_id, server_id, account, product_id, category_id, status_id, cancelled, quantity, price, total, taken, day, product, buyer, created_at, updated_at)
	SELECT 'order', 'order', v.id, v.owner, 'product', '', s.id, FALSE, 1, 0, 0, 1, 0, '{}', '{}', 0, 0 FROM servers v JOIN redemption_statuses s ON s.server_id = v.id AND s.name = 'Pending'`
	sentInSQL = `INSERT INTO bulk_updates (id, server_id, key_id, kind, status, header, total, processed, kept, stepped_at, created_at) SELECT 'x', id, '', 'update', 'done', '[]', 1, 1, 1, 0, 0 FROM servers`
	gameInSQL = `INSERT INTO mini_games (id, server_id, name, definition, created_at) SELECT 'game', id, '', '{}', 0 FROM servers`
)

func TestVerifyNoticesADamageOfEachKindByItsName(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	t.Run("serve", func(t *testing.T) {
		_, base := serve(t, "--data", data)
		c := callerOf(t, data, base)
		id, _ := c.club()
		c.ask("POST", "/servers/"+id+"/visit", "", nil)
	})
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			damaged := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(damaged, os.DirFS(data)); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("sqlite", filepath.Join(damaged, "rejoin.db"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err = db.Exec(damage); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := rejoin("verify", "--data", damaged)
			if code != 1 || !strings.Contains("\n"+stdout, "\n"+name+" of ") {
				t.Errorf("got %d %q %q", code, stdout, stderr)
			}
		})
	}
}

// Whoever has lost the key hears it before the server does not start.
func TestCommandsSayThatTheSecretKeyIsNotThere(t *testing.T) {
	data, file := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup.tar")
	key := filepath.Join(data, "secret.key")
	const warning = "rejoin: warning: what is sealed in the database does not open without its secret key, and no server starts: put back "
	commands := [][]string{{"token", "--data", data, "--email", "a@example.com"}, {"verify", "--data", data}, {"backup", "--replace", "--data", data, file}}
	warn := func(what string, want bool) {
		t.Helper()
		for _, args := range commands {
			if code, _, stderr := rejoin(args...); code != 0 || strings.Contains(stderr, warning+key+"\n") != want {
				t.Errorf("%s: %v: %d %s", what, args, code, stderr)
			}
		}
	}
	t.Run("serve", func(t *testing.T) {
		_, base := serve(t, "--data", data)
		o := officeOf(callerOf(t, data, base))
		made := o.ask("POST", "/apis/v1/products", "application/json", []byte(`{"name":"Premium","price":1,"vouchers":["A"],"serverId":"`+o.server+`"}`))
		if !strings.Contains(made, `"stocks":1`) {
			t.Fatal(made)
		}
	})
	warn("all is there", false)
	if err := os.Rename(key, key+".away"); err != nil {
		t.Fatal(err)
	}
	warn("the key is gone", true)
	restored := filepath.Join(t.TempDir(), "restored")
	if code, _, stderr := rejoin("restore", "--data", restored, file); code != 0 || !strings.Contains(stderr, "the secret key is in no backup") || !strings.Contains(stderr, filepath.Join(restored, "secret.key")) {
		t.Errorf("restore: %d %s", code, stderr)
	}
}

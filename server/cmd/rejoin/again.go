package main

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// commandLine is how a subcommand of this program is run again, on the same data, from another terminal. It holds no
// password: needs says, in words, what must stand in the environment instead, if anything must.
func (s storage) commandLine(subcommand string) (line, needs string) {
	line = program() + " " + subcommand
	switch public := databaseWithoutPassword(s.DB); {
	case s.DB == "":
		return line + " --data " + quoted(absolute(s.Data)), ""
	case s.DB == os.Getenv("REJOIN_DB"):
		return line + ` --db "$REJOIN_DB"`, ""
	case public != s.DB:
		return line + " --db " + quoted(public), " with the password in $PGPASSWORD"
	default:
		return line + " --db " + quoted(public), ""
	}
}

// goRun finds where `go run` puts a program.
var goRun = regexp.MustCompile(`/go-build[^/]*/.*(/exe|-d)/[^/]*$`)

// program is this program as a shell finds it.
func program() string {
	self, err := os.Executable()
	if err != nil {
		return "rejoin"
	}
	const source = "./server/cmd/rejoin"
	if goRun.MatchString(filepath.ToSlash(self)) { // it is gone afterwards
		if _, err := os.Stat(source); err == nil {
			return "go run " + source
		}
		return "go run github.com/rejoin-dev/rejoin/server/cmd/rejoin@latest"
	}
	if found, err := exec.LookPath("rejoin"); err == nil && sameFile(found, self) {
		return "rejoin"
	}
	return quoted(self)
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// databaseWithoutPassword is the URL of a database without its secret, which pgx then takes from $PGPASSWORD or ~/.pgpass.
func databaseWithoutPassword(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return "postgres://..."
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	query := u.Query()
	for name := range query {
		if strings.Contains(strings.ToLower(name), "password") {
			query.Del(name)
			u.RawQuery = query.Encode()
		}
	}
	return u.String()
}

var needsNoQuotes = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// quoted is an argument as a POSIX shell reads it.
func quoted(argument string) string {
	if needsNoQuotes.MatchString(argument) {
		return argument
	}
	return "'" + strings.ReplaceAll(argument, "'", `'\''`) + "'"
}

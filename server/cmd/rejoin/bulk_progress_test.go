package main

import (
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/client"
)

// Whoever only follows a file on a terminal has sent nothing.
func TestTheBarOfAFileThatSomebodyElseHasSentIsShown(t *testing.T) {
	var terminal strings.Builder
	show := newBulkProgress(&terminal, true)
	show.rows(&client.BulkUpdate{Status: client.BulkIsRunning, Total: 10, Processed: 3})
	show.rows(&client.BulkUpdate{Status: client.BulkIsDone, Total: 10, Processed: 10})
	show.end()
	if shown := terminal.String(); !strings.Contains(shown, "10 / 10 rows") {
		t.Errorf("shown is %q", shown)
	}
}

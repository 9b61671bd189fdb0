// Command rejoin runs a Rejoin backend and what belongs to it. `rejoin --help` lists its subcommands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	completion "github.com/jotaen/kong-completion"
	"github.com/rejoin-dev/rejoin/api"
)

func main() {
	ctx, stop := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		by := <-signals
		signal.Stop(signals) // the next one ends the process, unless the command waits for it
		stop(stopped{by})
	}()
	os.Exit(run(ctx, os.Args[1:], terminal{os.Stdin, os.Stdout, os.Stderr}))
}

// A stopped is the cause with which the context of a command ends.
type stopped struct{ by os.Signal }

func (s stopped) Error() string { return "stopped by the signal " + s.by.String() }

// A terminal is where a subcommand reads, and where it prints: results to out, everything else to err.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// commands is the whole command line. Every flag is also an environment variable, REJOIN_ and its name in capitals.
type commands struct {
	ShowVersion kong.VersionFlag `name:"version" env:"-" help:"Print the version and the digest of the contract."`

	Serve   serveCommand    `cmd:"" help:"Run the backend."`
	Token   tokenCommand    `cmd:"" help:"Print a new session token of an account. The account is made if there is none. Works while the server runs."`
	Backup  backupCommand   `cmd:"" help:"Write the SQLite database and the images it refers to into one file. Works while the server runs."`
	Restore restoreCommand  `cmd:"" help:"Put a backup into a data directory that has no database."`
	Verify  verifyCommand   `cmd:"" help:"Compare every number that is kept, such as balances and counts, with what it is made of. Works while the server runs."`
	Bulk    bulkCommand     `cmd:"" help:"Send a CSV file of many members, and follow it until all of its rows are done."`
	Conform conformCommands `cmd:"" help:"Prove that a backend keeps the contract, from the outside."`
	Version versionCommand  `cmd:"" help:"Print the version and the digest of the contract."`

	Completion completionCommand `cmd:"" help:"Print what a shell needs to complete this command line."`
}

// conformCommands are `rejoin conform` itself and what else there is to say about a backend.
type conformCommands struct {
	Suite conformCommand `cmd:"" default:"withargs" help:"Run every requirement of the contract against a backend."`
	Proxy proxyCommand   `cmd:"" help:"Pass traffic through to a backend, and validate it against the contract."`
}

// errFailed ends a command that has said itself what is wrong.
var errFailed = errors.New("failed")

// An undone ends one that has not come to the end of what it was asked for, where that is another matter than a failure.
type undone struct{ error }

// run is the program: 0 is success, 1 a failure, 2 a command line that makes no sense, 3 what was not done to its end.
func run(ctx context.Context, args []string, t terminal) (code int) {
	if len(args) > 0 && args[0] == "help" { // as other programs have it, beside --help
		args = append(slices.Clone(args[1:]), "--help")
	}
	var cli commands
	exited := false
	parser, err := kong.New(&cli,
		kong.Name("rejoin"),
		kong.Description("An open community and loyalty backend, wire-compatible with the public Returning.AI API."),
		kong.DefaultEnvars("REJOIN"),
		kong.Vars{"version": versions()},
		kong.Writers(t.out, t.err),
		kong.Exit(func(status int) { exited, code = true, status }),
		kong.ValueFormatter(describe),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		fmt.Fprintln(t.err, "rejoin:", err)
		return 1
	}
	completion.Register(parser) // answers the shell, if that asks by its variables
	if exited {
		return code
	}
	command, err := parser.Parse(args)
	if exited { // the help or the version was asked for and printed
		return code
	}
	if err != nil {
		fmt.Fprintln(t.err, "rejoin:", usage(err))
		return 2
	}
	command.BindTo(ctx, (*context.Context)(nil))
	err = command.Run(t)
	if err == nil {
		return 0
	}
	code = 1
	if is := (undone{}); errors.As(err, &is) {
		code, err = 3, is.error
	}
	if !errors.Is(err, errFailed) {
		fmt.Fprintln(t.err, "rejoin:", say(err))
	}
	return code
}

// describe is the help of a flag, with its default and its environment variable.
func describe(value *kong.Value) string {
	var notes []string
	if value.Default != "" {
		notes = append(notes, "default "+value.Default)
	}
	for _, name := range value.Tag.Envs {
		notes = append(notes, "$"+name)
	}
	if len(notes) == 0 {
		return value.Help
	}
	return value.Help + " (" + strings.Join(notes, ", ") + ")"
}

// logger is what --log chooses between.
func logger(format string, to io.Writer) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(to, nil))
	}
	return slog.New(slog.NewTextHandler(to, nil))
}

type versionCommand struct{}

func (versionCommand) Run(t terminal) error {
	fmt.Fprintln(t.out, versions())
	return nil
}

func versions() string { return fmt.Sprintf("rejoin %s\ncontract %s", version(), api.Digest) }

// version is the module's version where the binary was installed by version, and the revision where it was built from a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return "(devel)"
}

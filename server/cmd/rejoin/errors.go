package main

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// say is an error as one line for a person: each cause once, and without the names of functions around it.
func say(err error) string {
	text := err.Error()
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		text = strings.ReplaceAll(text, path.Error(), path.Path+": "+path.Err.Error())
	}
	var said []string
	for line := range strings.Lines(text) { // several errors that were joined
		line = strings.Join(strings.Fields(line), " ")
		if line != "" && !strings.Contains(strings.Join(said, " "), line) {
			said = append(said, line)
		}
	}
	return strings.Join(said, "; ")
}

// usage is what is wrong with a command line, and which help says more.
func usage(err error) string {
	text, help := wrong(err), "rejoin --help"
	var parsing *kong.ParseError
	if errors.As(err, &parsing) {
		if command := parsing.Context.Selected(); command != nil {
			help = strings.Replace(command.FullPath(), "rejoin", "rejoin help", 1)
		} else if rest, ok := strings.CutPrefix(text, "unexpected argument "); ok {
			text = "no such command: " + rest
		}
	}
	return text + " (" + help + " lists what there is)"
}

var (
	flagName = regexp.MustCompile(`--[a-z-]+`)
	notOneOf = regexp.MustCompile(`^(--[a-z-]+) must be one of (.*) but got (.*)$`)
)

// wrong is the error that begins with the flag, without the command before it, in the words of this program.
func wrong(err error) string {
	if list, ok := strings.CutPrefix(err.Error(), "missing flags: "); ok {
		missing := flagName.FindAllString(list, -1)
		if len(missing) == 1 {
			return missing[0] + " is required"
		}
		return strings.Join(missing, ", ") + " are required"
	}
	text := flagError(err)
	if part := notOneOf.FindStringSubmatch(text); part != nil {
		options := strings.NewReplacer(`"",`, "", `"`, "", ",", ", ").Replace(part[2])
		return part[1] + " must be one of " + options + ", and is " + part[3]
	}
	return text
}

func flagError(err error) string {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if strings.HasPrefix(inner.Error(), "--") {
			return say(inner)
		}
	}
	return say(err)
}

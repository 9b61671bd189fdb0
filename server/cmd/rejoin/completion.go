package main

import (
	"github.com/alecthomas/kong"
	completion "github.com/jotaen/kong-completion"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish. To have it in each session, add this to the file that the shell reads first: source <(rejoin completion bash), or the same with zsh, or rejoin completion fish | source"`
}

func (c completionCommand) Run(ctx *kong.Context) error {
	return (&completion.Completion{Shell: c.Shell, Code: true}).Run(ctx)
}

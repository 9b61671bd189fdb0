package perm

import (
	"regexp"
	"slices"
	"strings"
)

// What members say. The role permissions for that are what plain members have, unless a server takes them away.
const (
	ViewMessageHistory = "view_message_history"
	PostMessages       = "post_messages"
	AllowMentions      = "allow_mentions"
	AttachFiles        = "attach_files"
	ShareAttachments   = "share_Attachments"
	ShareLinks         = "share_links"
	Pinable            = "pinable"
	PostAnalysis       = "post_analysis"
)

// What is done to what others say.
const (
	DeleteMessages = "delete_messages"
	ManageMessages = "manage_messages"
)

var sayings = []string{ViewMessageHistory, PostMessages, AllowMentions, AttachFiles, ShareAttachments, ShareLinks, Pinable, PostAnalysis}

// Saying tells whether a role permission is about what its member says, and not about other members.
func Saying(name string) bool { return slices.Contains(sayings, name) }

var (
	// With a scheme or without one: // and a host, www., or a domain with a path behind it.
	links    = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://|(?:^|[^:/\\])[/\\]{2}[\pL\pN\[]|www\.|[\pL\pN]\.\pL[\pL\pN-]*[\pL\pN](?::[0-9]+)?/`)
	mentions = regexp.MustCompile(`(?:^|[^\pL\pM\pN_.+-])@[\pL\pN_]`) // and no address of mail
)

// HasLink tells whether a text has the address of a page in it.
func HasLink(text string) bool { return links.MatchString(text) }

// HasMention tells whether a text names somebody: @all, or a user name behind an @.
func HasMention(text string) bool { return strings.Contains(text, "@") && mentions.MatchString(text) }

// LacksFor is the role permission that is missing to say this, with so many images; empty: none is.
func (s Standing) LacksFor(text string, images int) string {
	switch {
	case images > 0 && !s.Allows(AttachFiles) && !s.Allows(ShareAttachments):
		return AttachFiles
	case HasLink(text) && !s.Allows(ShareLinks):
		return ShareLinks
	case HasMention(text) && !s.Allows(AllowMentions):
		return AllowMentions
	}
	return ""
}

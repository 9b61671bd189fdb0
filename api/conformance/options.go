package conformance

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// Options choose what is run, and how. The zero value runs everything.
type Options struct {
	Tags  []string       // only what needs no other tags than these; `common` is what holds everywhere
	Level Level          // Must leaves out what a backend only SHOULD do
	Match *regexp.Regexp // only the ids that it matches

	Skips []Skip // what the backend does not offer; see ReadSkips

	// Certify runs every requirement; it allows no choice and no skip.
	Certify bool

	Seed     uint64 // of the samples; 0 stands for 1
	Parallel int    // how many requirements may be under way at once; 0 stands for 4
}

func (o Options) selects() bool { return len(o.Tags) > 0 || o.Level != "" || o.Match != nil }

// check refuses options that make no sense.
func (o Options) check(all []requirement, target Target) error {
	for _, tag := range o.Tags {
		if !slices.ContainsFunc(sections, func(x section) bool { return x.tag == tag }) {
			return fmt.Errorf("there is no tag %q", tag)
		}
	}
	if o.Level != "" && o.Level != Must && o.Level != Should {
		return fmt.Errorf("there is no level %q, only %s and %s", o.Level, Must, Should)
	}
	for _, skip := range o.Skips {
		if !slices.ContainsFunc(all, func(r requirement) bool { return r.ID == skip.ID }) {
			return fmt.Errorf("a skip names %q, and there is no such requirement", skip.ID)
		}
	}
	switch {
	case !o.Certify:
		return nil
	case o.selects() || len(o.Skips) > 0:
		return errors.New("a run that certifies chooses nothing and skips nothing")
	case target.Code == nil:
		return errors.New("a run that certifies needs mail, because some requirements do")
	case target.Receiver == "":
		return errors.New("a run that certifies needs a receiver, because some requirements do")
	}
	return nil
}

// leavesOut tells whether a tag is not among the chosen ones.
func (o Options) leavesOut(tag string) bool { return len(o.Tags) > 0 && !slices.Contains(o.Tags, tag) }

// makesKeys tells whether API keys come from Key, and not from the operations of the tag keys.
func (t Target) makesKeys() bool { return t.Key != nil && t.Options.leavesOut("keys") }

// disables tells why a requirement is not run; empty if it is.
func (t Target) disables(r requirement) string {
	o := t.Options
	missing := func(tag string) bool { return o.leavesOut(tag) && !(tag == "keys" && t.makesKeys() && r.isDerived()) }
	switch {
	case o.leavesOut(r.Section) || slices.ContainsFunc(r.With, missing):
		return "not among the chosen tags"
	case o.Level == Must && r.Level != Must:
		return "not of the chosen level"
	case o.Match != nil && !o.Match.MatchString(r.ID):
		return "not among the chosen ids"
	case r.Mail && t.Code == nil:
		return "needs a code from a mail"
	case r.Receiver && t.Receiver == "":
		return "needs a receiver that the backend may call"
	}
	return ""
}

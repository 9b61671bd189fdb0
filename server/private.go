package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rejoin-dev/rejoin/server/internal/private"
)

// What is in the data directory, and in its directories of images and mails, by name.
var (
	oursInData   = regexp.MustCompile(`^(rejoin\.db.*|\.?rejoin\.sock|\.rejoin\..*|secret\.key|images|mail|lost\+found)$`)
	oursInImages = regexp.MustCompile(`^([0-9a-f]+(\.attrs)?|\..*\.part)$`)
	oursInMail   = regexp.MustCompile(`^(.*\.eml|\..*\.part)$`)
)

// closeToOthers takes the rights of other users from a data directory and what is in it. All of it is made without them; an
// earlier version, a copy or a hand may have given them. What cannot be closed is said, and no reason not to start.
func (k *core) closeToOthers(config Config) {
	for _, at := range []struct {
		dir      string
		ours     *regexp.Regexp
		thorough bool
	}{
		{config.Data, oursInData, true},
		{filepath.Join(config.Data, "images"), oursInImages, false},
		{filepath.Join(config.Data, "mail"), oursInMail, false},
	} {
		if at.dir != config.Data { // which may be a link: whoever named it knows that
			if info, err := os.Lstat(at.dir); err != nil || !info.IsDir() {
				continue
			}
		}
		foreign, err := private.Tighten(at.dir, at.ours.MatchString, at.thorough)
		switch {
		case err != nil:
			k.log.Warn("other users of this machine may read what is kept: its rights cannot be changed", slog.String("directory", at.dir), slog.Any("error", err))
		case foreign != "":
			k.log.Warn("other users of this machine get into a directory of data, which keeps its rights because it holds other things, too",
				slog.String("directory", at.dir), slog.String("such_as", strings.ToValidUTF8(foreign, "?")))
		}
	}
}

package conformance

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	mailPatience = 10 * time.Second // how long a mail may be under way
	mailPause    = 50 * time.Millisecond
)

// MailDir makes a Target.Code for a backend that writes each mail into a folder as a file of its own, *.eml. It reads the
// code from the newest one to the address, and waits up to ten seconds for the first.
func MailDir(dir string) func(ctx context.Context, email string) (string, error) {
	return func(ctx context.Context, email string) (string, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, mailPatience, fmt.Errorf("no mail with a code to %s came into %s", email, dir))
		defer cancel()
		for {
			code, err := newestCode(dir, email)
			if code != "" || err != nil {
				return code, err
			}
			select {
			case <-time.After(mailPause):
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		}
	}
}

// newestCode is empty if there is none, also as long as there is no such folder.
func newestCode(dir, email string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	type file struct {
		name string
		at   time.Time
	}
	var files []file
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != ".eml" {
			continue
		}
		if info, err := entry.Info(); err == nil { // it may be gone by now
			files = append(files, file{entry.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(b.at.Compare(a.at), strings.Compare(b.name, a.name)) })
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(dir, file.name))
		if err != nil {
			continue
		}
		if code := codeIn(data, email); code != "" {
			return code, nil
		}
	}
	return "", nil
}

// codes are twice four capital letters and digits with a dash between them, or six digits.
var codes = regexp.MustCompile(`\b(?:[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}|[0-9]{6})\b`)

// codeIn is the code in a mail to an address. What is not a whole mail yet, or to somebody else, has none.
func codeIn(data []byte, email string) string {
	message, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return ""
	}
	to, err := message.Header.AddressList("To")
	if err != nil || !slices.ContainsFunc(to, func(a *mail.Address) bool { return strings.EqualFold(a.Address, email) }) {
		return ""
	}
	return codes.FindString(textOf(message.Header.Get, message.Body))
}

// textOf is what a person would read in a mail or in a part of one.
func textOf(header func(string) string, body io.Reader) string {
	switch strings.ToLower(header("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	kind, params, err := mime.ParseMediaType(header("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		text, _ := io.ReadAll(body)
		return string(text)
	}
	var parts []string
	reader := multipart.NewReader(body, params["boundary"])
	for {
		part, err := reader.NextRawPart()
		if err != nil {
			return strings.Join(parts, "\n")
		}
		parts = append(parts, textOf(part.Header.Get, part))
	}
}

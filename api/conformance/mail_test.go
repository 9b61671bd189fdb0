package conformance

import (
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheNewestMailToAnAddressHoldsItsCode(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, age time.Duration, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "\n", "\r\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	mail := func(to, more, body string) string {
		return "From: Rejoin <no-reply@example.com>\nTo: " + to + "\nSubject: 999999 greetings\nDate: Sun, 01 Mar 2026 16:50:17 +0000\n" +
			"Message-ID: <123456@example.com>\nMIME-Version: 1.0\n" + more + "\n" + body
	}
	html := "--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" +
		base64.StdEncoding.EncodeToString([]byte("Your code is 30AB-CD30.")) + "\n" +
		"--b\nContent-Type: text/html\n\n<p style=\"color:#202020\">Your code is 30AB-CD30.</p>\n--b--\n"

	write("1.eml", 3*time.Hour, mail("vera@example.com", "", "Your code is 101010.\n"))
	write("2.eml", time.Hour, mail("<Vera@Example.com>", "Content-Transfer-Encoding: quoted-printable\n", "Your c=6Fde:\n=\n\n   20=\n2020=2E\n"))
	write("3.eml", 2*time.Hour, mail("Vera <vera@example.com>", "", "Your code is 111111.\n"))
	write("4.eml", 0, mail("vera@example.com", "", "1234567 is not a code, and neither are 12345, ABCD-EFGI and ABCDEFGH.\n"))
	write("5.eml", 0, mail("ben@example.com", "Content-Type: multipart/alternative; boundary=b\n", html))
	write("6.eml", 0, "To: vera@example.com")
	write("7.eml.part", 0, mail("vera@example.com", "", "Your code is 121212.\n"))
	write("8.eml", 0, mail("avera@example.com", "", "Your code is 131313.\n"))
	if err := os.Mkdir(filepath.Join(dir, "9.eml"), 0o700); err != nil {
		t.Fatal(err)
	}

	code := MailDir(dir)
	for email, want := range map[string]string{"vera@example.com": "202020", "BEN@example.com": "30AB-CD30", "avera@example.com": "131313"} {
		if got, err := code(t.Context(), email); got != want || err != nil {
			t.Errorf("the code of %s is %q (%v), want %s", email, got, err, want)
		}
	}
}

func TestAMailThatIsUnderWayIsWaitedFor(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	synctest.Test(t, func(t *testing.T) {
		go func() {
			time.Sleep(9 * time.Second)
			_ = os.Mkdir(dir, 0o700)
			_ = os.WriteFile(filepath.Join(dir, "1.eml"), []byte("To: vera@example.com\r\n\r\n  493027\r\n"), 0o600)
		}()
		if got, err := MailDir(dir)(t.Context(), "vera@example.com"); got != "493027" || err != nil {
			t.Errorf("got %q (%v)", got, err)
		}
	})
}

func TestAMailThatDoesNotComeIsNotWaitedForForEver(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		code, err := MailDir(dir)(t.Context(), "vera@example.com")
		if took := time.Since(started); took != mailPatience {
			t.Errorf("waited for %v", took)
		}
		if code != "" || err == nil || !strings.Contains(err.Error(), "vera@example.com") || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %q and the error %v, want one that names the address and the folder", code, err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := MailDir(dir)(ctx, "vera@example.com"); err != context.Canceled {
			t.Errorf("the error is %v, want that of the context", err)
		}
	})
}

func TestAFolderThatCannotBeReadIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mail")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := MailDir(file)(t.Context(), "vera@example.com"); err == nil {
		t.Error("a file was read as a folder")
	}
}

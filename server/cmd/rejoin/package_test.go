package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const repository = "../../.."

func contentOf(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestAReleaseIsMadeOfFilesThatAreThere(t *testing.T) {
	var release struct {
		Dist   string
		Builds []struct {
			Main string
			Goos []string
		}
		Nfpms []struct {
			Contents []struct{ Src, Dst, Type string }
			Scripts  map[string]string
		}
		Archives []struct{ Files []string }
		Release  struct{ Draft bool }
	}
	if err := yaml.Unmarshal([]byte(contentOf(t, filepath.Join(repository, ".goreleaser.yaml"))), &release); err != nil {
		t.Fatal(err)
	}
	if !release.Release.Draft {
		t.Error("a release is published before anybody has seen it")
	}
	if !strings.Contains(contentOf(t, filepath.Join(repository, ".gitignore")), "/"+release.Dist+"/\n") {
		t.Errorf("%s is not ignored by git: versions would be called dirty", release.Dist)
	}
	var needed, put []string
	readme := contentOf(t, filepath.Join(repository, "README.md"))
	for _, build := range release.Builds {
		needed = append(needed, build.Main)
		if !slices.Equal(build.Goos, []string{"linux", "darwin"}) || !strings.Contains(readme, "Binaries are released for Linux and macOS") {
			t.Errorf("there are binaries for %q, and README says otherwise", build.Goos)
		}
	}
	for _, archive := range release.Archives {
		needed = append(needed, archive.Files...)
	}
	for _, pack := range release.Nfpms {
		for _, content := range pack.Contents {
			needed, put = append(needed, content.Src), append(put, content.Dst+" "+content.Type)
		}
		for _, script := range pack.Scripts {
			needed = append(needed, script)
		}
	}
	for _, name := range needed {
		if _, err := os.Stat(filepath.Join(repository, name)); err != nil {
			t.Error(err)
		}
	}
	for _, want := range []string{"/etc/rejoin/rejoin.env config|noreplace", "/usr/lib/systemd/system/rejoin.service "} {
		if !slices.Contains(put, want) {
			t.Errorf("a package has %q, and not %q", put, want)
		}
	}
}

func TestTheServiceSaysWhatTheCommandUnderstands(t *testing.T) {
	unit, settings := contentOf(t, "package/rejoin.service"), contentOf(t, "package/rejoin.env")
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/rejoin (.*)$`).FindStringSubmatch(unit)
	if start == nil {
		t.Fatal("the unit starts nothing")
	}
	code, help, stderr := rejoin(append(strings.Fields(start[1]), "--help")...)
	if code != 0 {
		t.Fatalf("the unit starts what is none: %s", stderr)
	}
	for _, name := range regexp.MustCompile(`\bREJOIN_[A-Z_]+`).FindAllString(unit+settings, -1) {
		if !strings.Contains(help, "$"+name) {
			t.Errorf("no flag has the variable %s", name)
		}
	}
	for _, line := range regexp.MustCompile(`(?m)^#(REJOIN_[A-Z_]+)=(.*)$`).FindAllStringSubmatch(settings, -1) {
		t.Setenv(line[1], line[2])
	}
	// As it stands there, without its marks of a comment, it is a command line that makes sense.
	if code, _, stderr := rejoin("serve", "--addr", "nonsense"); code != 2 || !strings.Contains(stderr, "--addr must be HOST:PORT") {
		t.Errorf("got %d %s", code, stderr)
	}
	if !strings.Contains(unit, "StateDirectory=rejoin\n") || !strings.Contains(unit, "REJOIN_DATA=/var/lib/rejoin\n") {
		t.Error("the data is not in the directory that the service may write to")
	}
	if !strings.Contains(unit, "StandardOutput=null\n") {
		t.Error("the first token would be in the journal")
	}
}

func TestAShellCompletesCommandsAndFlags(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, script, stderr := rejoin("completion", shell); code != 0 || !strings.Contains(script, "complete") {
			t.Errorf("%s: got %d %q %q", shell, code, script, stderr)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, script, _ := rejoin("completion", "bash"); strings.Replace(script, self, "/usr/bin/rejoin", 1) != contentOf(t, "package/completion.bash") {
		t.Errorf("the package has another completion than %q", script)
	}
	for line, want := range map[string]string{"rejoin to": "token", "rejoin serve --ima": "--images", "rejoin completion f": "fish"} {
		t.Setenv("COMP_LINE", line)
		var out, problems bytes.Buffer
		if code := run(context.Background(), nil, terminal{out: &out, err: &problems}); code != 0 || strings.TrimSpace(out.String()) != want {
			t.Errorf("%q: got %d %q %q, want %q", line, code, &out, &problems, want)
		}
	}
}

func TestACommandBesideTheServiceHasItsSettings(t *testing.T) {
	texts := contentOf(t, filepath.Join(repository, "README.md")) + contentOf(t, "package/rejoin.env")
	short := regexp.MustCompile(`as_rejoin="(.*)"`).FindStringSubmatch(texts)
	if short == nil {
		t.Fatal("README does not say what $as_rejoin is")
	}
	texts = strings.ReplaceAll(texts, "$as_rejoin", short[1])
	lines := regexp.MustCompile("systemd-run (.*?) rejoin ([a-z]+ [^`\n<]*)").FindAllStringSubmatch(texts, -1)
	if len(lines) != 3 {
		t.Errorf("got %q, want a restore and twice a token", lines)
	}
	for _, line := range lines {
		if !strings.Contains(line[1], "-p User=rejoin -p") || !strings.Contains(line[1], "-p EnvironmentFile=/etc/rejoin/rejoin.env") {
			t.Errorf("%s: not as the service is", line[0])
		}
		if code, _, stderr := rejoin(append(strings.Fields(line[2]), "--help")...); code != 0 {
			t.Errorf("%s: %s", line[0], stderr)
		}
	}
}

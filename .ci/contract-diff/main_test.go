package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Each test makes a repository of its own, releases today's contract in it as 1.2.0, and changes it.

var buildOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "oasdiff")
	if err != nil {
		return "", err
	}
	return install(dir)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if tool, err := buildOnce(); err == nil {
		os.RemoveAll(filepath.Dir(tool))
	}
	os.Exit(code)
}

type history struct {
	*testing.T
	dir  string
	spec string
}

func released120(t *testing.T) *history {
	t.Parallel()
	spec, err := os.ReadFile("../../" + contract)
	if err != nil {
		t.Fatal(err)
	}
	h := &history{T: t, dir: t.TempDir(), spec: string(spec)}
	h.git("init", "-q")
	if err := os.Mkdir(filepath.Join(h.dir, "api"), 0o755); err != nil {
		t.Fatal(err)
	}
	return h.version("1.2.0").commit()
}

func (h *history) git(arguments ...string) {
	h.Helper()
	who := []string{"-C", h.dir, "-c", "user.name=Vera", "-c", "user.email=vera@example.com", "-c", "commit.gpgsign=false"}
	if out, err := exec.Command("git", append(who, arguments...)...).CombinedOutput(); err != nil {
		h.Fatalf("git %v: %s", arguments, out)
	}
}

// replace changes the contract in the work tree, where a pattern first matches.
func (h *history) replace(pattern, by string) *history {
	h.Helper()
	at := regexp.MustCompile(pattern).FindStringSubmatchIndex(h.spec)
	if at == nil {
		h.Fatalf("the contract has nothing like %s", pattern)
	}
	by = string(regexp.MustCompile(pattern).ExpandString(nil, by, h.spec, at))
	h.spec = h.spec[:at[0]] + by + h.spec[at[1]:]
	if err := os.WriteFile(filepath.Join(h.dir, contract), []byte(h.spec), 0o644); err != nil {
		h.Fatal(err)
	}
	return h
}

func (h *history) version(version string) *history {
	h.Helper()
	return h.replace(`\n  version: .*`, "\n  version: "+version)
}

func (h *history) commit() *history {
	h.Helper()
	h.git("add", "-A")
	h.git("commit", "-q", "-m", "Change the contract")
	return h
}

// requireLimit breaks callers: what they need not send today, they must.
func (h *history) requireLimit() *history {
	h.Helper()
	return h.replace(`(\n      name: limit\n      in: query\n)`, "${1}      required: true\n")
}

func (h *history) passes() *history {
	h.Helper()
	if out, err := h.gate(); err != nil {
		h.Fatalf("got %v, want that it passes:\n%s", err, out)
	}
	return h
}

func (h *history) fails() *history {
	h.Helper()
	if out, err := h.gate(); err == nil || !strings.Contains(err.Error(), "callers break") {
		h.Fatalf("got %v, want that callers break:\n%s", err, out)
	}
	return h
}

func (h *history) gate() (string, error) {
	h.Helper()
	return h.against("")
}

func (h *history) against(base string) (string, error) {
	h.Helper()
	tool, err := buildOnce()
	if err != nil {
		h.Fatal(err)
	}
	var out bytes.Buffer
	err = compare(tool, h.dir, base, &out)
	return out.String(), err
}

func TestANewOptionalThingPassesUnderAnyVersion(t *testing.T) {
	added := released120(t).replace(`(\n    Visit:\n(.*\n)*?      properties:\n)`, "${1}        streak: { type: boolean }\n")
	added.version("1.2.1").passes().commit().passes()
}

func TestABreakUnderAPatchOrAMinorVersionFails(t *testing.T) {
	for _, version := range []string{"1.2.1", "1.3.0"} {
		t.Run(version, func(t *testing.T) {
			released120(t).requireLimit().version(version).fails().commit().fails()
		})
	}
}

func TestABreakStaysOneWhenMoreIsCommittedAfterIt(t *testing.T) {
	released120(t).requireLimit().version("1.2.1").commit().replace(`\n  title: .*`, "\n  title: Another").fails().commit().fails()
}

func TestABreakUnderAMajorVersionPasses(t *testing.T) {
	released120(t).requireLimit().version("2.0.0").passes().commit().passes()
}

func TestAReleaseIsATagWhereThereIsOne(t *testing.T) {
	h := released120(t)
	h.git("tag", "v1.2.0")
	h.requireLimit().version("1.3.0").commit().version("1.4.0").commit().fails()
	h.git("tag", "v1.4.0")
	h.version("1.4.1").passes()
}

func TestAListThatGrowsMayGetAValue(t *testing.T) {
	spec := released120(t).spec
	lists := regexp.MustCompile(`\n    (\w+):\n(?:      .*\n)*?      x-grows: true\n`).FindAllStringSubmatch(spec, -1)
	if len(lists) == 0 {
		t.Fatal("the contract has no list that grows")
	}
	for _, list := range lists {
		t.Run(list[1], func(t *testing.T) {
			grown := released120(t).replace(`(\n    `+list[1]+`:\n(?:      .*\n)*?      enum: \[)`, "${1}archived, ")
			grown.version("1.2.1").passes().commit().passes()
		})
	}
}

func TestAFormatBesideAPatternIsNoOtherType(t *testing.T) {
	before := released120(t).replace(`\n      format: username`, "").version("1.3.0").commit()
	before.replace(`(\n    NewUsername:\n(?:      .*\n)*?)(      pattern:)`, "${1}      format: username\n${2}").version("1.3.1").passes().commit().passes()
}

func TestAListThatGrowsLosesNothing(t *testing.T) {
	released120(t).replace(`(\n    KeyPermission:\n(?:      .*\n)*?      enum: \[)\w+, `, "${1}").version("1.3.0").fails().commit().fails()
}

func TestAnyOtherListIsClosed(t *testing.T) {
	released120(t).replace(`(\n    ChannelType:\n(?:      .*\n)*?      enum: \[)`, "${1}stage, ").version("1.2.1").fails().commit().fails()
}

func TestACommitWhoseContractCannotBeReadIsPassedOver(t *testing.T) {
	const noYAML = "\n  title: [Broken"
	h := released120(t)
	h.version("1.2.1").replace(`\n  title: .*`, noYAML).commit()
	h.git("tag", "broken")
	h.replace(`\n  title: .*`, "\n  title: Mended").passes().commit().passes()
	h.requireLimit().fails()
	if out, err := h.against("broken"); err == nil || !strings.Contains(err.Error(), "revision broken") {
		t.Errorf("got %v, want that the error names the revision:\n%s", err, out)
	}
}

func TestAContractThatCannotBeReadIsNoBreakThatIsAllowed(t *testing.T) {
	for promise, change := range map[string][2]string{
		"no YAML":                {`\n  title: `, "\n  title: ["},
		"no OpenAPI":             {`^openapi: .*`, "openapi: []"},
		"a reference to nothing": {`schemas/VisitResponse`, "schemas/Gone"},
	} {
		t.Run(promise, func(t *testing.T) {
			out, err := released120(t).version("2.0.0").replace(change[0], change[1]).gate()
			if err == nil || strings.Contains(err.Error(), "callers break") {
				t.Errorf("got %v, want that the two cannot be compared:\n%s", err, out)
			}
		})
	}
}

// Command contract-diff says whether the contract breaks callers of an earlier one, and fails if it does, unless the
// major of info.version has risen. The earlier one is that of the revision given, or else the last released one: that of
// the newest tag v*, or, without a tag, of the newest commit in which info.version was another.
//
// An enumeration that says x-grows may get more values: its callers were told. A format beside a pattern says more of what that
// says, and is no type: such a change is a warning at most. Everything else is for oasdiff to judge.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	contract = "api/openapi.yaml"
	oasdiff  = "github.com/oasdiff/oasdiff@v1.30.0"
)

func main() {
	base := ""
	if len(os.Args) > 1 {
		base = os.Args[1]
	}
	dir, err := os.MkdirTemp("", "contract-diff")
	if err == nil {
		defer os.RemoveAll(dir)
		var tool string
		if tool, err = install(dir); err == nil {
			err = compare(tool, ".", base, os.Stdout)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "contract:", err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
}

// install builds oasdiff in a directory and returns its path.
func install(dir string) (string, error) {
	build := exec.Command("go", "install", oasdiff)
	build.Env = append(os.Environ(), "GOBIN="+dir)
	build.Stderr = os.Stderr
	return filepath.Join(dir, "oasdiff"), build.Run()
}

// compare holds the contract in a work tree against an earlier one. An error says that it breaks callers, or that the
// two could not be compared.
func compare(tool, repository, base string, out io.Writer) error {
	file := filepath.Join(repository, contract)
	spec, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	present, err := read(spec)
	if err != nil {
		return err
	}
	if base == "" {
		if base, err = released(repository, present.version()); err != nil {
			return err
		}
	}
	earlier, err := at(repository, base)
	if err != nil {
		return err
	}
	name, err := git(repository, "log", "-1", "--format=%h (%ad)", "--date=short", base)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "contract: %s of %s against %s\n", earlier.version(), strings.TrimSpace(name), present.version())
	breaks, err := breaksCallers(tool, earlier.grownTo(present), present, out)
	switch {
	case err != nil:
		return err
	case breaks && present.major() <= earlier.major():
		return errors.New("callers break; raise the major of info.version, or take the change back")
	case breaks:
		fmt.Fprintln(out, "contract: callers break, and the major version has risen: allowed")
	}
	return nil
}

func breaksCallers(tool string, earlier, present document, out io.Writer) (bool, error) {
	dir, err := os.MkdirTemp("", "contract-diff")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	for name, d := range map[string]document{"earlier.yaml": earlier, "present.yaml": present} {
		dropFormatsOfPatterns(d.root)
		text, err := yaml.Marshal(d.root)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			return false, err
		}
	}
	run := exec.Command(tool, "breaking", "--fail-on", "ERR", "earlier.yaml", "present.yaml")
	run.Dir, run.Stdout, run.Stderr = dir, out, out
	err = run.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return true, nil
	}
	return false, err
}

// released is the revision of the last contract that callers may have.
func released(repository, version string) (string, error) {
	if tag, err := git(repository, "describe", "--tags", "--abbrev=0", "--match", "v*"); err == nil {
		return strings.TrimSpace(tag), nil
	}
	commits, err := git(repository, "log", "--format=%H", "--", contract)
	if err != nil {
		return "", err
	}
	for commit := range strings.FieldsSeq(commits) {
		spec, err := show(repository, commit)
		if err != nil {
			return "", err
		}
		// A contract that cannot be read was nobody's.
		if earlier, err := read(spec); err == nil && earlier.version() != version {
			return commit, nil
		}
	}
	return "", errors.New("no earlier contract in this history")
}

// document is a contract, as YAML that knows the order of its keys.
type document struct{ root *yaml.Node }

func read(spec []byte) (document, error) {
	var file yaml.Node
	if err := yaml.Unmarshal(spec, &file); err != nil {
		return document{}, fmt.Errorf("%s is no YAML: %w", contract, err)
	}
	if len(file.Content) == 0 {
		return document{}, fmt.Errorf("%s is empty", contract)
	}
	return document{file.Content[0]}, nil
}

func at(repository, revision string) (document, error) {
	spec, err := show(repository, revision)
	if err != nil {
		return document{}, err
	}
	d, err := read(spec)
	if err != nil {
		return document{}, fmt.Errorf("revision %s: %w", revision, err)
	}
	return d, nil
}

func show(repository, revision string) ([]byte, error) {
	spec, err := git(repository, "show", revision+":"+contract)
	if err != nil {
		return nil, fmt.Errorf("revision %s: %w", revision, err)
	}
	return []byte(spec), nil
}

func (d document) version() string { return text(value(value(d.root, "info"), "version")) }

func (d document) major() int {
	major, _, _ := strings.Cut(d.version(), ".")
	n, _ := strconv.Atoi(major)
	return n
}

func (d document) schemas() *yaml.Node { return value(value(d.root, "components"), "schemas") }

// grownTo gives the lists that grow the values that they have in a later contract, and takes away what bounds nothing:
// a maxLength beside an enum, or on bytes.
func (d document) grownTo(later document) document {
	for i := 0; i+1 < len(content(d.schemas())); i += 2 {
		name, schema := d.schemas().Content[i].Value, d.schemas().Content[i+1]
		grown := value(later.schemas(), name)
		if text(value(grown, "x-grows")) != "true" {
			continue
		}
		if enum := value(schema, "enum"); enum != nil {
			for _, option := range content(value(grown, "enum")) {
				if !slices.ContainsFunc(enum.Content, func(n *yaml.Node) bool { return n.Value == option.Value }) {
					enum.Content = append(enum.Content, option)
				}
			}
		}
	}
	dropVoidBounds(d.root)
	return d
}

func dropVoidBounds(n *yaml.Node) {
	drop(n, "maxLength", func(n *yaml.Node) bool { return value(n, "enum") != nil || text(value(n, "format")) == "binary" })
}

func dropFormatsOfPatterns(n *yaml.Node) {
	drop(n, "format", func(n *yaml.Node) bool { return text(value(n, "pattern")) != "" })
}

// drop takes a member away from every object that is such a one.
func drop(n *yaml.Node, name string, such func(*yaml.Node) bool) {
	if n.Kind == yaml.MappingNode && such(n) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == name {
				n.Content = slices.Delete(n.Content, i, i+2)
				break
			}
		}
	}
	for _, child := range n.Content {
		drop(child, name, such)
	}
}

func content(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	return n.Content
}

func value(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

func text(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	return n.Value
}

func git(repository string, arguments ...string) (string, error) {
	out, err := exec.Command("git", append([]string{"-C", repository}, arguments...)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("git %s: %s", arguments[0], strings.TrimSpace(string(exit.Stderr)))
	}
	return string(out), err
}

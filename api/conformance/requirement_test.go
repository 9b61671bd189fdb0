package conformance

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rejoin-dev/rejoin/api"
)

var update = flag.Bool("update", false, "write CONFORMANCE.md anew")

func TestDocumentIsCurrent(t *testing.T) {
	const name = "CONFORMANCE.md"
	if *update {
		if err := os.WriteFile(name, []byte(document()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if committed, err := os.ReadFile(name); err != nil || string(committed) != document() {
		t.Errorf("%s is not what the requirements are; write it anew with -update (%v)", name, err)
	}
}

func TestEveryRequirementHasAnIDOfItsOwnAndSaysWhatItIsAbout(t *testing.T) {
	contract, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	byHand := regexp.MustCompile(`^([A-Z]+)-[A-Z]+-[0-9]{2}$`)
	broken := regexp.MustCompile(`^NEGATIVE-([A-Za-z]+)-(body|path|query|header)(\.[A-Za-z0-9_]+)*-[A-Za-z]+$`)
	ids, texts := map[string]bool{}, map[string]bool{}
	for _, r := range Requirements() {
		if ids[r.ID] || texts[r.Section+r.Text] {
			t.Errorf("%s is there twice, by its id or in its words: %s", r.ID, r.Text)
		}
		ids[r.ID], texts[r.Section+r.Text] = true, true
		switch written, negative := byHand.FindStringSubmatch(r.ID), broken.FindStringSubmatch(r.ID); {
		case written != nil && written[1] == strings.ToUpper(r.Section):
		case negative != nil && contract.operations.ByID(negative[1]).Tag == r.Section:
		case r.isDerived() && contract.operations.ByID(r.Operations[0]).Tag == r.Section && strings.Contains(r.ID, "-"+r.Operations[0]):
		default:
			t.Errorf("%s is not the id of a requirement of %s", r.ID, r.Section)
		}
		if !slices.Contains(sources, r.Source) || r.Level != Must && r.Level != Should || r.Text == "" {
			t.Errorf("%s: %+v", r.ID, r)
		}
		for _, id := range r.Operations {
			if contract.operations.ByID(id) == nil {
				t.Errorf("%s is about %s, which is neither an operation nor a tag", r.ID, id)
			}
		}
	}
}

// What the public documentation shows of a tag that the contract has is replayed: an entry that no operation takes would be lost without a word.
func TestEveryDocumentedRequestOfATagOfTheContractIsReplayed(t *testing.T) {
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range documentedRequests() {
		op := c.shownBy(r)
		if has := slices.ContainsFunc(c.operations, func(o *api.Operation) bool { return o.Tag == r.Tag }); has && (op == nil || op.Tag != r.Tag) {
			t.Errorf("%s, of %s, is no operation of that tag", r.Send, r.Tag)
		}
	}
}

func TestEveryOperationIsWhatSomeRequirementIsAbout(t *testing.T) {
	contract, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	about := map[string]bool{}
	for _, r := range Requirements() {
		for _, id := range r.Operations {
			about[id] = about[id] || !r.isDerived()
		}
	}
	for _, op := range contract.operations {
		if !about[op.ID] {
			t.Errorf("no test case is about %s", op.ID)
		}
	}
}

func TestAnIDThatIsRetiredIsNotUsedAgain(t *testing.T) {
	ids := map[string]bool{}
	for _, r := range Requirements() {
		ids[r.ID] = true
	}
	seen := map[string]bool{}
	for _, old := range retired {
		if ids[old.id] || seen[old.id] {
			t.Errorf("%s is retired, and there again", old.id)
		}
		seen[old.id] = true
		for _, by := range strings.Split(old.by, ", ") {
			start, any := strings.CutSuffix(by, "*")
			if !ids[by] && !(any && slices.ContainsFunc(Requirements(), func(r Requirement) bool { return strings.HasPrefix(r.ID, start) })) {
				t.Errorf("%s was replaced by %s, which is not there", old.id, by)
			}
		}
	}
}

func TestWhateverAPathNamesCanBeMade(t *testing.T) {
	contract, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range contract.operations {
		for _, p := range op.Parameters() {
			m, known := makerOf(p.Name, p.Schema)
			if p.In == openapi3.ParameterInPath && !known {
				t.Errorf("%s names %s, which nothing makes: it needs a maker", op.ID, p.Name)
			}
			if known && len(broken(p.Schema.Value, m.unknown())) > 0 {
				t.Errorf("%s: %q is no %s", op.ID, m.unknown(), p.Name)
			}
		}
	}
}

func TestAnOperationAboutAServerSaysWhatAnAccountMustBeThere(t *testing.T) {
	contract, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range contract.operations {
		about := slices.ContainsFunc(makersOf(op), func(m maker) bool { return m.inServer })
		if about && !isForOneAccount(op) && op.Takes(api.SessionAuth) && op.Role == "" {
			t.Errorf("%s does not say its x-required-role", op.ID)
		}
	}
}

func TestADerivedRequirementNeedsItsOwnTagAndSaysWhichOthers(t *testing.T) {
	alone := map[string]int{}
	for _, r := range Requirements() {
		if r.isDerived() && len(r.With) == 0 {
			kind, _, _ := strings.Cut(r.ID, "-")
			alone[kind+" "+r.Section]++
		}
	}
	for _, want := range []string{"CREDENTIAL", "ACCESS", "FOREIGN", "SERVERID", "REPEAT"} {
		for _, tag := range []string{"channels", "roles", "badges"} {
			if alone[want+" "+tag] == 0 {
				t.Errorf("whoever implements only %s is not tested on %s", tag, want)
			}
		}
	}
}

func TestTheSeedChoosesValuesAndNeverRequirements(t *testing.T) {
	one, err := allRequirements(1)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(5) {
		other, _ := allRequirements(seed)
		if !slices.EqualFunc(one, other, func(a, b requirement) bool { return a.ID == b.ID && a.Text == b.Text }) {
			t.Errorf("the seed %d makes another suite", seed)
		}
	}
}

func TestAValueBreaksItsKeywordAndNothingElse(t *testing.T) {
	schema := &openapi3.Schema{Type: &openapi3.Types{"string"}, MinLength: 2, MaxLength: openapi3.Ptr(uint64(4)), Pattern: "^[a-z]*$"}
	got := breakers(schema)
	for _, keyword := range []string{"type", "nullable", "minLength", "maxLength", "pattern"} {
		if len(got[keyword]) == 0 {
			t.Errorf("nothing breaks %s", keyword)
		}
	}
	fixed := &openapi3.Schema{Type: &openapi3.Types{"string"}, MaxLength: openapi3.Ptr(uint64(6)), Pattern: "^[0-9]{6}$"}
	if longer := breakers(fixed)["maxLength"]; len(longer) > 0 {
		t.Errorf("%q has the right form and the wrong length, which cannot be", longer)
	}
}

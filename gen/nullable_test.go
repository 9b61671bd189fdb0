package gen_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rejoin-dev/rejoin/gen"
)

func TestANullablePrintsAndMarshalsAsItsValueOrNull(t *testing.T) {
	for _, tt := range []struct {
		value     gen.Nullable[string]
		text, doc string
	}{
		{gen.NullableOf("Chess"), "Chess", `"Chess"`},
		{gen.NullableOf(""), "", `""`},
		{gen.Null[string](), "null", "null"},
		{gen.Nullable[string]{}, "null", "null"},
	} {
		doc, err := json.Marshal(tt.value)
		if text := fmt.Sprint(tt.value); text != tt.text || string(doc) != tt.doc || err != nil {
			t.Errorf("got %q and %s (%v), want %q and %s", text, doc, err, tt.text, tt.doc)
		}
		again := gen.NullableOf("what was there before")
		if err := json.Unmarshal(doc, &again); err != nil || !again.Equal(tt.value) {
			t.Errorf("%s is read as %v (%v)", doc, again, err)
		}
		if value, ok := again.Get(); ok == again.IsNull() || !ok && value != "" {
			t.Errorf("%s is read as %q, %v", doc, value, ok)
		}
	}
	var number gen.Nullable[int]
	if err := json.Unmarshal([]byte(`"Chess"`), &number); err == nil {
		t.Error("a text is read as a number")
	}
}

func TestANullableOfAnInputIsLeftOutUnlessItIsSet(t *testing.T) {
	type input struct {
		A, B, C gen.Nullable[int] `json:",omitzero"`
	}
	got, err := json.Marshal(input{B: gen.Null[int](), C: gen.NullableOf(0)})
	if want := `{"B":null,"C":0}`; string(got) != want || err != nil {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

func TestNullablesAreComparedByWhatTheySay(t *testing.T) {
	one, other := gen.NullableOf([]int{1}), gen.NullableOf([]int{1})
	for _, tt := range []struct {
		a, b  gen.Nullable[[]int]
		equal bool
	}{
		{one, other, true},
		{gen.Null[[]int](), gen.Nullable[[]int]{}, true},
		{one, gen.NullableOf([]int{2}), false},
		{gen.NullableOf[[]int](nil), gen.Null[[]int](), false},
	} {
		if cmp.Equal(tt.a, tt.b) != tt.equal || cmp.Equal(tt.b, tt.a) != tt.equal {
			t.Errorf("%v and %v: equal is %v", tt.a, tt.b, !tt.equal)
		}
	}
}

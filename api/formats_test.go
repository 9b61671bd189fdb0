package api

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// formatValues are the values of one format in testdata/formats.json. .ci/formats.mjs asks ajv-formats about the same
// ones; BadHereOnly are those that it takes.
type formatValues struct{ Good, Bad, BadHereOnly []string }

func TestFormatsAreWhatTheirNamesSay(t *testing.T) {
	text, err := os.ReadFile("testdata/formats.json")
	if err != nil {
		t.Fatal(err)
	}
	var table map[string]formatValues
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	if want, got := slices.Sorted(maps.Keys(formats)), slices.Sorted(maps.Keys(table)); !slices.Equal(want, got) {
		t.Errorf("the table has values for the formats %v, and the contract may use %v", got, want)
	}
	defineFormats()
	for name, values := range table {
		t.Run(name, func(t *testing.T) {
			schema := openapi3.NewStringSchema().WithFormat(name)
			for _, value := range values.Good {
				if err := schema.VisitJSON(value); err != nil {
					t.Errorf("%q is refused", value)
				}
			}
			for _, value := range slices.Concat(values.Bad, values.BadHereOnly) {
				if err := schema.VisitJSON(value); err == nil {
					t.Errorf("%q is taken", value)
				}
			}
			if len(values.Good) == 0 || len(values.Bad) == 0 {
				t.Error("a format needs good values and bad ones")
			}
		})
	}
}

// Where TZ is UTC, Go calls the zone of the machine so too.
func TestTheZoneOfTheMachineDecidesOverNoName(t *testing.T) {
	own := time.Local
	t.Cleanup(func() { time.Local = own })
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("Europe/Berlin", 3600), time.FixedZone("Local", 0)} {
		time.Local = zone
		for name, good := range map[string]bool{"UTC": true, "Europe/Berlin": true, "Local": false, "": false} {
			if IsTimeZone(name) != good {
				t.Errorf("on a machine in %s, %q is a time zone: %v, want %v", zone, name, !good, good)
			}
		}
	}
}

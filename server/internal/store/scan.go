package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rejoin-dev/rejoin/gen"
)

// micros reads a moment from its column.
type micros struct{ at *gen.Time }

func (m micros) Scan(value any) error {
	us, ok := value.(int64)
	if !ok {
		return fmt.Errorf("a moment is %T in the database", value)
	}
	*m.at = gen.Time{Time: time.UnixMicro(us).UTC()}
	return nil
}

// nullableMicros reads a moment that may be missing.
type nullableMicros struct{ at *gen.Nullable[gen.Time] }

func (m nullableMicros) Scan(value any) error {
	if value == nil {
		*m.at = gen.Null[gen.Time]()
		return nil
	}
	var at gen.Time
	if err := (micros{&at}).Scan(value); err != nil {
		return err
	}
	*m.at = gen.NullableOf(at)
	return nil
}

// microsOrNull is a moment that may be missing, as its column holds it.
func microsOrNull(at gen.Nullable[gen.Time]) sql.NullInt64 {
	value, ok := at.Get()
	return sql.NullInt64{Int64: value.UnixMicro(), Valid: ok}
}

// document reads a JSON document from its column.
type document struct{ into any }

func (d document) Scan(value any) error {
	switch text := value.(type) {
	case string:
		return json.Unmarshal([]byte(text), d.into)
	case []byte:
		return json.Unmarshal(text, d.into)
	}
	return fmt.Errorf("a document is %T in the database", value)
}

// written is a value as its document column holds it. Only models of the contract are kept so, and those always marshal.
func written(model any) string {
	text, err := gen.MarshalJSON(model)
	if err != nil {
		panic(fmt.Sprintf("a model of the contract does not marshal: %v", err))
	}
	return string(text)
}

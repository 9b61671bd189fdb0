package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/rejoin-dev/rejoin/api"
	"go.yaml.in/yaml/v3"
)

// linesDown is how deep in the contract each member has a line of its own: a path and a schema have one, so that the change
// of one is the change of a line.
const linesDown = 3

// contractJSON is the contract as JSON, its members in the order in which they are written, with the digest of what it was
// made from as x-digest.
func contractJSON() ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(api.Spec, &doc); err != nil {
		return nil, err
	}
	root := doc.Content[0]
	root.Content = append(root.Content,
		&yaml.Node{Kind: yaml.ScalarNode, Value: "x-digest"}, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: api.Digest})
	var b bytes.Buffer
	if err := writeJSON(&b, root, 1); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func writeJSON(b *bytes.Buffer, node *yaml.Node, depth int) error {
	next := func(i int) {
		if i > 0 {
			b.WriteByte(',')
		}
		if depth <= linesDown {
			b.WriteByte('\n')
		}
	}
	switch node.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i < len(node.Content); i += 2 {
			next(i)
			if err := writeScalar(b, node.Content[i].Value); err != nil { // a status is a number in YAML
				return err
			}
			b.WriteByte(':')
			if err := writeJSON(b, node.Content[i+1], depth+1); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range node.Content {
			next(i)
			if err := writeJSON(b, item, depth+1); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case yaml.ScalarNode:
		if node.ShortTag() == "!!timestamp" { // to OpenAPI it is a text
			return writeScalar(b, node.Value)
		}
		var value any
		if err := node.Decode(&value); err != nil {
			return err
		}
		return writeScalar(b, value)
	default:
		return fmt.Errorf("openapi.yaml:%d: an alias has no form in JSON", node.Line)
	}
	return nil
}

func writeScalar(b *bytes.Buffer, value any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	b.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	return nil
}

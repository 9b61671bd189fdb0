package client_test

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rejoin-dev/rejoin/api"
)

// The last sentence of a method's comment is made from the contract: it says who may call it.
func TestEveryMethodSaysWhoMayCallItAsTheContractDoes(t *testing.T) {
	operations, err := api.Operations()
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, method := range methods(t) {
		doc := strings.Join(strings.Fields(method.Doc.Text()), " ")
		for _, op := range calledBy(method, operations) {
			said[op.ID] = true
			if want := whoMay(op); !strings.HasSuffix(doc, " "+want) {
				t.Errorf("the comment of %s, which calls %s, must end with: %s", method.Name.Name, op.ID, want)
			}
		}
	}
	for _, op := range operations {
		if !said[op.ID] {
			t.Errorf("no method was found that calls %s", op.ID)
		}
	}
}

// whoMay is the sentence on who may call an operation.
func whoMay(op *api.Operation) string {
	var who []string
	if op.Takes(api.SessionAuth) {
		switch {
		case op.Author == api.AuthorOnly:
			who = append(who, "the author, who needs "+op.Role)
		case op.Role == "", op.Role == api.RoleAnyone:
			who = append(who, "every account")
		case op.Role == api.RoleMember:
			who = append(who, "members")
		case op.Role == api.RoleOwner:
			who = append(who, "the owner")
		case op.Role == "server_administrator":
			who = append(who, "the owner and members with server_administrator")
		default:
			who = append(who, "the owner and members with "+op.Role+" or server_administrator")
		}
	}
	switch op.Permission {
	case "":
	case api.AnyPermission:
		who = append(who, "every API key")
	default:
		who = append(who, "API keys with [Permission"+strings.ToUpper(op.Permission[:1])+op.Permission[1:]+"]")
	}
	switch op.UserPermission {
	case "":
	case api.AnyPermission:
		who = append(who, "every user API key")
	default:
		who = append(who, "user API keys with [UserPermission"+strings.ToUpper(op.UserPermission[:1])+op.UserPermission[1:]+"]")
	}
	if len(who) == 0 {
		return "For everybody, without a credential."
	}
	return "For " + strings.Join(who, ", and ") + "."
}

// methods are those that this package exports, of its services.
func methods(t *testing.T) (all []*ast.FuncDecl) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.IsExported() {
				all = append(all, f)
			}
		}
	}
	return all
}

// calledBy are the operations that a method calls.
func calledBy(method *ast.FuncDecl, operations api.List) (called []*api.Operation) {
	ast.Inspect(method, func(n ast.Node) bool {
		call, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if on, ok := call.X.(*ast.SelectorExpr); !ok || on.Sel.Name != "api" {
			return true
		}
		name := strings.TrimSuffix(call.Sel.Name, "WithBody")
		if i := slices.IndexFunc(operations, func(o *api.Operation) bool { return strings.EqualFold(o.ID, name) }); i >= 0 {
			called = append(called, operations[i])
		}
		return true
	})
	return called
}

package server

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rejoin-dev/rejoin/api"
	"github.com/rejoin-dev/rejoin/server/internal/analysis"
	"github.com/rejoin-dev/rejoin/server/internal/sheet"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// A reader who knows one level knows them all: the handler of an operation is a method of the type named after its
// tag, in the file named after its tag or, where that would be too long, in one that begins with its name, and every other
// level has a file of that name too.
func TestEveryOperationStandsInTheFileOfItsTag(t *testing.T) {
	doc, err := api.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			tag := op.Tags[0]
			name := tag
			if name == "store" { // which is the name of a package
				name = "stores"
			}
			owner, ok := reflect.TypeFor[handlers]().FieldByName(name)
			if !ok {
				t.Errorf("%s: handlers does not embed a type %s", op.OperationID, tag)
				continue
			}
			method, ok := methodOf(owner.Type, op.OperationID)
			if !ok {
				t.Errorf("%s is not a method of %s", op.OperationID, tag)
				continue
			}
			file, _ := runtime.FuncForPC(method.Func.Pointer()).FileLine(method.Func.Pointer())
			if name := filepath.Base(file); name != tag+".go" && !strings.HasPrefix(name, tag+"_") {
				t.Errorf("%s is in %s, not in %s.go", op.OperationID, filepath.Base(file), tag)
			}
		}
	}
	for _, tag := range doc.Tags {
		for _, level := range []string{".", "internal/store", "../client", "../api/conformance"} {
			if _, err := os.Stat(filepath.Join(level, tag.Name+".go")); err != nil {
				t.Errorf("the tag %s has no file in %s", tag.Name, level)
			}
		}
	}
}

func TestTheLimitsAreThoseOfTheContract(t *testing.T) {
	doc, err := api.Load()
	if err != nil {
		t.Fatal(err)
	}
	limits := map[string]uint64{
		"RoleListResponse.body": store.MaxRoles, "ChannelListResponse.body": store.MaxChannels, "BadgeListResponse.body": store.MaxBadges, "OwnBadgeApplicationListResponse.body": store.MaxApplications,
		"ApiKeyListResponse.data": store.MaxKeys, "UserApiKeyListResponse.data": store.MaxUserKeys, "ServerListResponse.body": store.MaxMemberships, "IntegrationChannelListResponse.data": store.MaxChannels,
		"InviteListResponse.body": store.MaxInvites, "SessionListResponse.body": store.MaxSessions,
		"AccessLevelListResponse.body": store.MaxAccessLevels, "UserFieldListResponse.data": store.MaxFields, "StreakListResponse.data": store.MaxStreaks, "MilestoneListResponse.data": store.MaxMilestones, "SocialListResponse.data": store.MaxSocials, "MiniGameListResponse.data": store.MaxMiniGames, "RedemptionStatusListResponse.data": store.MaxStatuses, "WebhookListResponse.data": store.MaxWebhooks, "WidgetListResponse.data": store.MaxWidgets, "WidgetAccessKeyListResponse.data": store.MaxWidgetAccessKeys, "IncomingWebhookListResponse.data": store.MaxIncomingWebhooks, "IncomingWebhookCallListResponse.data": store.MaxIncomingCalls,
	}
	for name, schema := range doc.Components.Schemas {
		meta := schema.Value.Properties["meta"]
		pagination := schema.Value.Properties["pagination"]
		if !strings.HasSuffix(name, "ListResponse") || pagination != nil && pagination.Value.Properties["nextCursor"] != nil || meta != nil && (meta.Value.Properties["page"] != nil || meta.Value.Properties["skip"] != nil) {
			continue // no list, or one that is shown page by page
		}
		for member, property := range schema.Value.Properties {
			most := property.Value.MaxItems
			if limit, known := limits[name+"."+member]; most != nil && (!known || *most != limit) {
				t.Errorf("%s.%s has at most %d items, and the limit is %d", name, member, *most, limit)
			}
			if most != nil {
				delete(limits, name+"."+member)
			}
		}
	}
	if len(limits) > 0 {
		t.Errorf("these are no lists: %v", limits)
	}
	for _, name := range []string{"OpenSession", "AuthEvent"} {
		if length := doc.Components.Schemas[name].Value.Properties["userAgent"].Value.MaxLength; length == nil || *length != maxUserAgent {
			t.Errorf("userAgent of %s does not have at most %d characters", name, maxUserAgent)
		}
	}
}

// What the contract says in words, the code has in numbers.
func TestTheNumbersOfTheCodeAreThoseInTheWordsOfTheContract(t *testing.T) {
	operations, err := api.Operations()
	if err != nil {
		t.Fatal(err)
	}
	inWords := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}
	days := func(life time.Duration) string { return fmt.Sprintf("%d days", life/(24*time.Hour)) }
	for operation, texts := range map[string][]string{
		"listAuthEvents":  {"kept for " + days(authEventLife), "beyond " + inWords[store.NetworksAnHour-1] + " networks"},
		"listAudit":       {"there for " + days(deletedTrailLife)},
		"deleteServer":    {"stays for " + days(deletedTrailLife)},
		"registerAccount": {fmt.Sprintf("ends after %d hours", store.RegistrationLife/time.Hour), fmt.Sprintf("good for %d minutes", codeLife/time.Minute)},
		"logIn":           {"a session of " + days(sessionLife)},
		"listSessions":    {fmt.Sprintf("has at most %d: one more", store.MaxSessions)},
		"filterUsers":     {fmt.Sprintf("%d a page", usersAPage), "no more than 10,000 members", fmt.Sprintf("up to %d fields of the community", mostConditions)},
		"createUserField": {
			fmt.Sprintf("`options` of a field have %d,000 bytes in all, as JSON, and its `defaultValue` %d", mostOptions/1000, mostDefault),
			fmt.Sprintf("all values of one user have %d,000 characters at most", store.MaxValuesCharacters/1000),
			fmt.Sprintf("has up to %d fields", store.MaxFields),
		},
		"createCategory":  {fmt.Sprintf("has up to %d", store.MaxCategories)},
		"createProduct":   {fmt.Sprintf("up to %d,000 products", store.MaxProducts/1000), fmt.Sprintf("up to %d,000 codes", store.MaxVouchers/1000)},
		"createProducts":  {fmt.Sprintf("%d,000 codes", mostCodes/1000), fmt.Sprintf("%d,000 in all lists", mostOfAll/1000)},
		"bulkUpdate":      {"up to 1,000,000,000 each"},
		"createStreak":    {fmt.Sprintf("the last %d are known", store.MostZones)},
		"listStreaks":     {fmt.Sprintf("has up to %d", store.MaxStreaks)},
		"updateUserField": {fmt.Sprintf("identifier has up to %d characters", longestIdentifier)},
		"getUser":         {"in the last " + inWords[onlineFor/time.Minute] + " minutes"},
		"getUserData":     {fmt.Sprintf("every %d seconds", presenceEvery/time.Second)},
		"applyForBadge":   {fmt.Sprintf("up to %d open applications", store.MaxApplications)},
		"createSocial":    {fmt.Sprintf("up to %d", store.MaxSocials)},
		"bulkImport": {
			fmt.Sprintf("%d,000 rows and 64 MiB", sheet.MaxRows/1000), fmt.Sprintf("a row %d MiB", sheet.MaxRow>>20), fmt.Sprintf("steps of up to %d", bulkRowsAtOnce),
			fmt.Sprintf("up to %d wait, and up to %d arrive at once", store.MaxBulkWaiting, store.MaxBulkArriving), "kept for " + days(bulkLife),
			fmt.Sprintf("the last %d,000,000 rows", store.MaxBulkKept/1_000_000),
			fmt.Sprintf("a cell %d,000 characters", sheet.MaxCell/1000), fmt.Sprintf("up to %d MiB, as it is kept", store.MaxBulkBytes>>20),
			fmt.Sprintf("the last %d MiB tell", store.MaxBulkTold>>20), fmt.Sprintf("more than %d MiB, a row", mostTold>>20),
			fmt.Sprintf("%d,000 at once, and one more each %d seconds", importedUsers.AtOnce/1000, importedUsers.Every/time.Second),
		},
		"getBulkDetails": {"of `nobody@example.com`, `" + strangersName("nobody@example.com") + "` is kept"},
		"createAnalysis": {fmt.Sprintf("up to %d drawings", analysis.MostDrawings), fmt.Sprintf("up to %d characters", analysis.LongestText)},
		"joinServer":     {"ended " + days(endedInvites) + " ago is unknown"},
		"createInvite":   {fmt.Sprintf("at most %d invites", store.MaxInvites), fmt.Sprintf("at most %d. One more", store.MaxInvitesOfMember)},
	} {
		said := strings.Join(strings.Fields(operations.ByID(operation).Spec.Description), " ")
		for _, text := range texts {
			if !strings.Contains(said, text) {
				t.Errorf("%s does not say %q", operation, text)
			}
		}
	}
}

// What was read may be remembered, and a transaction may be run again: a scan that does more than to fill its row in does that sometimes, or twice.
func TestAScanOnlyFillsItsRowIn(t *testing.T) {
	files, err := filepath.Glob("internal/store/*.go")
	if err != nil {
		t.Fatal(err)
	}
	scans := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			scan, kind := n, (*ast.FuncType)(nil)
			switch fn := n.(type) {
			case *ast.FuncLit:
				kind = fn.Type
			case *ast.FuncDecl:
				kind = fn.Type
			}
			if !isScan(kind) {
				return true
			}
			scans++
			for _, written := range writtenElsewhere(scan) {
				t.Errorf("%s: a scan writes %s, which is not of its row", name, written)
			}
			return true
		})
	}
	if scans < 50 {
		t.Errorf("only %d scans were found", scans)
	}
	const bad = `package p
func f() {
	n, all := 0, map[string]int{}
	list(func(rows *sql.Rows) (a int, err error) { n++; all["x"] = 1; m := &n; a = *m; global = 2; return a, rows.Scan(&a, &n) })
}`
	file, err := parser.ParseFile(token.NewFileSet(), "", bad, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if scan, is := n.(*ast.FuncLit); is {
			if got := writtenElsewhere(scan); !slices.Equal(got, []string{"n", "all", "n", "global", "n"}) {
				t.Errorf("found %v", got)
			}
		}
		return true
	})
}

// isScan tells whether a function is given rows, and nothing else.
func isScan(kind *ast.FuncType) bool {
	if kind == nil || len(kind.Params.List) != 1 || kind.Results == nil {
		return false
	}
	pointer, is := kind.Params.List[0].Type.(*ast.StarExpr)
	if !is {
		return false
	}
	rows, is := pointer.X.(*ast.SelectorExpr)
	return is && rows.Sel.Name == "Rows"
}

// writtenElsewhere are the variables that a function writes, or gives somebody to write, and that are not its own.
func writtenElsewhere(fn ast.Node) (names []string) {
	note := func(written ast.Expr) {
		for {
			switch e := written.(type) {
			case *ast.SelectorExpr:
				written = e.X
				continue
			case *ast.IndexExpr:
				written = e.X
				continue
			case *ast.StarExpr:
				written = e.X
				continue
			case *ast.ParenExpr:
				written = e.X
				continue
			case *ast.Ident:
				if e.Name != "_" && (e.Obj == nil || e.Obj.Pos() < fn.Pos() || e.Obj.Pos() >= fn.End()) {
					names = append(names, e.Name)
				}
			}
			return
		}
	}
	ast.Inspect(fn, func(n ast.Node) bool {
		switch is := n.(type) {
		case *ast.AssignStmt:
			if is.Tok != token.DEFINE {
				for _, left := range is.Lhs {
					note(left)
				}
			}
		case *ast.IncDecStmt:
			note(is.X)
		case *ast.UnaryExpr:
			if is.Op == token.AND {
				note(is.X)
			}
		}
		return true
	})
	return names
}

// methodOf finds the method of an operation. Go spells initialisms otherwise than the contract.
func methodOf(owner reflect.Type, operationID string) (reflect.Method, bool) {
	for method := range owner.Methods() {
		if strings.EqualFold(method.Name, operationID) {
			return method, true
		}
	}
	return reflect.Method{}, false
}

// Imports run one way, and what is heavy is known to few: whoever calls the API must not carry a web framework, and
// nobody but the store knows SQL. What a package may import, of ours and of these three, is here.
func TestImportsRunOneWay(t *testing.T) {
	const module = "github.com/rejoin-dev/rejoin/"
	watched := map[string]string{
		"database/sql": "sql", "github.com/labstack/echo/v4": "echo", "github.com/getkin/kin-openapi/openapi3": "kin-openapi",
	}
	allowed := map[string]string{
		"api":                       "kin-openapi",
		"api/conformance":           "kin-openapi api gen",
		"api/contract":              "kin-openapi echo api gen gen/stub",
		"client":                    "client/webhook gen",
		"client/webhook":            "gen",
		"client/clienttest":         "api client gen server",
		"gen":                       "",
		"gen/generate":              "api",
		"gen/stub":                  "echo gen",
		"server":                    "echo api api/contract gen gen/stub server/internal/analysis server/internal/backup server/internal/chart server/internal/draw server/internal/durable server/internal/field server/internal/images server/internal/level server/internal/logsample server/internal/mailer server/internal/memory server/internal/origin server/internal/owner server/internal/password server/internal/perm server/internal/picture server/internal/private server/internal/ratelimit server/internal/rule server/internal/shop server/internal/store server/internal/streak server/internal/words server/internal/sheet server/internal/guard server/internal/webhook server/internal/jwt server/internal/widget",
		"server/cmd/rejoin":         "api api/conformance client server server/internal/backup server/internal/cause server/internal/durable server/internal/images server/internal/mailer server/internal/origin server/internal/owner server/internal/sheet",
		"server/internal/backup":    "server/internal/durable server/internal/images server/internal/owner server/internal/store",
		"server/internal/browser":   "",
		"server/internal/cause":     "",
		"server/internal/analysis":  "gen",
		"server/internal/chart":     "gen",
		"server/internal/draw":      "",
		"server/internal/durable":   "",
		"server/internal/images":    "server/internal/cause server/internal/durable",
		"server/internal/level":     "gen",
		"server/internal/logsample": "",
		"server/internal/mailer":    "server/internal/durable",
		"server/internal/memory":    "",
		"server/internal/mutants":   "api/conformance server",
		"server/internal/demo":      "client gen server",
		"server/internal/origin":    "",
		"server/internal/owner":     "server/internal/cause",
		"server/internal/password":  "",
		"server/internal/perm":      "gen",
		"server/internal/pgtest":    "sql",
		"server/internal/picture":   "",
		"server/internal/private":   "",
		"server/internal/ratelimit": "",
		"server/internal/rule":      "gen",
		"server/internal/sheet":     "",
		"server/internal/guard":     "",
		"server/internal/webhook":   "",
		"server/internal/widget":    "gen server/internal/chart",
		"server/internal/jwt":       "",
		"server/internal/shop":      "gen",
		"server/internal/smtptest":  "",
		"server/internal/streak":    "",
		"server/internal/field":     "server/internal/words",
		"server/internal/words":     "",
		"server/internal/store":     "sql gen server/internal/cause server/internal/durable server/internal/memory server/internal/words server/internal/owner",
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		name := strings.TrimPrefix(words[0], module)
		may, known := allowed[name]
		used := map[string]bool{}
		if !known {
			t.Errorf("%s: say here what it may import", name)
		}
		for _, imported := range words[1:] {
			short, ours := strings.CutPrefix(imported, module)
			if !ours {
				short = watched[imported]
			}
			used[short] = true
			if short != "" && !slices.Contains(strings.Fields(may), short) {
				t.Errorf("%s imports %s, which it must not", name, imported)
			}
		}
		for _, short := range strings.Fields(may) {
			if !used[short] {
				t.Errorf("%s may import %s and does not: say so no longer", name, short)
			}
		}
	}
}

// A function fits on a page. What stands in a table does not count.
func TestNoFunctionIsLongerThanAPage(t *testing.T) {
	const page = 60
	for _, name := range sources(t, "..") {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		lines := func(from, to token.Pos) int { return files.Position(to).Line - files.Position(from).Line }
		for _, declared := range file.Decls {
			function, is := declared.(*ast.FuncDecl)
			if !is || function.Body == nil {
				continue
			}
			n := lines(function.Body.Lbrace, function.Body.Rbrace) - 1
			ast.Inspect(function, func(node ast.Node) bool {
				table, is := node.(*ast.CompositeLit)
				if is {
					n -= lines(table.Lbrace, table.Rbrace)
				}
				return !is
			})
			if n > page {
				t.Errorf("%s: %s has %d lines", files.Position(function.Pos()), function.Name, n)
			}
		}
	}
}

// A server that calls addresses which its callers give can be made to look into the network that it stands in. What is called
// is named by the operator, in these files, or looked at by package guard.
func TestOnlyWhatTheOperatorHasNamedIsCalled(t *testing.T) {
	may := []string{
		"internal/guard/guard.go",   // what callers give: it looks at each address
		"internal/images/bucket.go", // --images
		"internal/mailer/smtp.go",   // --smtp
		"internal/owner/client.go",  // the socket in the data directory
	}
	calls := regexp.MustCompile(`\b(http\.(Client|Transport|DefaultClient|DefaultTransport|Get|Head|Post|PostForm)|net\.(Dial\w*|Lookup\w*|Resolver)|tls\.Dial\w*|smtp\.\w+|mail\.NewClient)\b`)
	used := map[string]bool{}
	for _, name := range sources(t, ".") {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "cmd/") || strings.HasPrefix(name, "internal/mutants/") ||
			strings.HasPrefix(name, "internal/smtptest/") {
			continue // commands that call what they are given are run by hand
		}
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found := calls.FindString(string(code))
		switch {
		case found == "":
		case !slices.Contains(may, name):
			t.Errorf("%s uses %s: whose address does it call?", name, found)
		default:
			used[name] = true
		}
	}
	for _, name := range may {
		if !used[name] {
			t.Errorf("%s calls nothing: say so no longer", name)
		}
	}
}

// sources are the Go files below a directory that were written by hand.
func sources(t *testing.T, dir string) (names []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, ".gen.go") {
			names = append(names, name)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return names
}

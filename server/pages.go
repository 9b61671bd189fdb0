package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rejoin-dev/rejoin/api"
	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"
)

// whichCredential says at the head of the reference what to do with the token that an operator has.
const (
	whichCredential = `<p id="which-credential">
To send requests from this page, choose <b>Authorize</b>. The token that <code>rejoin serve</code> or
<code>rejoin token</code> has printed is a session token: paste it under <b>sessionAuth</b>. The others are for API keys, and for the tokens of widgets.</p>`
	whichCredentialStyle = `<style>#which-credential { max-width: 1460px; margin: 0 auto; padding: 20px 20px 0; font: 16px sans-serif; color: #3b4151 }</style>`
)

// addPages registers what stands beside the API and is not in the contract: the contract itself, and its reference
// page. What operators look at is in ops.go.
func (s *Server) addPages(e *echo.Echo) error {
	doc, err := api.Document()
	if err != nil {
		return err
	}
	e.GET("/openapi.yaml", document("application/yaml", api.Spec))
	e.GET("/openapi.json", document("application/json", api.SpecJSON))

	reference := v5emb.NewHandlerWithConfig(swgui.Config{
		Title:       doc.Info.Title,
		SwaggerJSON: "/openapi.yaml", // in YAML the operations keep their order
		BasePath:    "/docs/",
		PrependHTML: whichCredential,
		AppendHead:  whichCredentialStyle,
	})
	policy, err := policyOf(reference)
	if err != nil {
		return err
	}
	page := func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderContentSecurityPolicy, policy)
		reference.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	e.GET("/", func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderCacheControl, "no-store") // what stands here may change
		return c.Redirect(http.StatusFound, "/docs")
	})
	e.GET("/docs", page)
	e.GET("/docs/*", page)
	s.addWidgets(e)
	return nil
}

// inline is a script or a style in a page; what has a src is none.
var inline = regexp.MustCompile(`(?s)<(script|style)>(.*?)</(?:script|style)>`)

// policyOf is the Content-Security-Policy of the reference page: it runs the scripts and styles that it has, which are known
// by their digests, and files of this origin. Nothing else, wherever it gets into the page from.
func policyOf(reference http.Handler) (string, error) {
	r, err := http.NewRequest(http.MethodGet, "/docs/", nil)
	if err != nil {
		return "", err
	}
	page := &rendered{header: http.Header{}}
	reference.ServeHTTP(page, r)
	sources := map[string]string{"script": "'self'", "style": "'self'"}
	for _, found := range inline.FindAllSubmatch(page.body.Bytes(), -1) {
		digest := sha256.Sum256(found[2])
		sources[string(found[1])] += " 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'"
	}
	return "default-src 'none'; script-src " + sources["script"] + "; style-src " + sources["style"] +
		"; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", nil
}

// rendered is an answer to nobody.
type rendered struct {
	header http.Header
	body   bytes.Buffer
}

func (r *rendered) Header() http.Header         { return r.header }
func (r *rendered) Write(p []byte) (int, error) { return r.body.Write(p) }
func (r *rendered) WriteHeader(int)             {}

// document serves bytes that are fixed in this binary. They are tagged with the digest of the contract, which they
// are or are made from.
func document(contentType string, content []byte) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set(echo.HeaderContentType, contentType)
		header.Set("ETag", `"`+api.Digest+`"`)
		header.Set(echo.HeaderCacheControl, "no-cache")
		http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(content))
		return nil
	}
}

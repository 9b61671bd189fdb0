// Package browser looks at pages in a real browser, Chromium without a window. Without one, tests that use it are skipped, unless
// REJOIN_TEST_BROWSER=require says that this would be a mistake.
package browser

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A Browser is one that a test has for itself.
type Browser struct {
	testing.TB
	ctx context.Context
}

// Open starts one. It is gone when the test ends.
func Open(t testing.TB) Browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		missing(t, "Chromium is not installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true), chromedp.UserDataDir(t.TempDir()))
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits until it is gone, so that its folder can be removed
		cancel()
		end()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	return Browser{t, ctx}
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("REJOIN_TEST_BROWSER") == "require" {
		t.Fatalf("%s, and REJOIN_TEST_BROWSER=require wants it", what)
	}
	t.Skip(what)
}

// A Tab is one with a page in it, and what the page has said to the console.
type Tab struct {
	Browser
	mu       sync.Mutex
	said     []string
	contexts map[string]cdpruntime.ExecutionContextID // of scripts, by their frames
}

// Tab opens one, of so many pixels.
func (b Browser) Tab(width, height int64) *Tab {
	b.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.Cleanup(cancel)
	tab := &Tab{Browser: Browser{b.TB, ctx}, contexts: map[string]cdpruntime.ExecutionContextID{}}
	if err := chromedp.Do(ctx); err != nil { // it must be there before somebody listens
		b.Fatal(err)
	}
	if err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *cdpruntime.EventExecutionContextCreated:
			tab.begins(e.Context)
		case *log.EventEntryAdded:
			tab.says(string(e.Entry.Level), e.Entry.Text+" "+e.Entry.URL)
		case *cdpruntime.EventExceptionThrown:
			tab.says("exception", e.ExceptionDetails.Text+" "+described(e.ExceptionDetails.Exception))
		case *cdpruntime.EventConsoleAPICalled:
			for _, argument := range e.Args {
				tab.says(string(e.Type), string(argument.Value)+" "+argument.Description)
			}
		}
	}); err != nil {
		b.Fatal(err)
	}
	tab.Do(call(log.Enable), call(cdpruntime.Enable))
	tab.Size(width, height)
	return tab
}

// Size is how many pixels there are from now on.
func (t *Tab) Size(width, height int64) {
	t.Helper()
	t.Do(chromedp.EmulateViewport(width, height))
}

func call(command cdp.Command[cdp.Empty, cdp.Empty]) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, cdp.Empty{})
		return err
	})
}

func described(object *cdpruntime.RemoteObject) string {
	if object == nil {
		return ""
	}
	return object.Description
}

func (t *Tab) says(kind, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = append(t.said, kind+": "+strings.TrimSpace(text))
}

// Said is what the page has said to the console so far, also what the browser says about it.
func (t *Tab) Said() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.said...)
}

// patience is how long something may take.
const patience = time.Minute

// Do does some things, one after the other, and ends the test if one of them cannot be done.
func (t *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, end := context.WithTimeout(t.ctx, patience)
	defer end()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatalf("the browser cannot do that: %v; the page says %q", err, t.Said())
	}
}

// Show goes to an address.
func (t *Tab) Show(address string) {
	t.Helper()
	t.Do(chromedp.Navigate(address))
}

// Eval runs a script in the page, and returns the text that it promises.
func (t *Tab) Eval(script string) string {
	t.Helper()
	ctx, end := context.WithTimeout(t.ctx, patience)
	defer end()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[string]("Promise.resolve("+script+").then(String)", chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("the browser cannot do %s: %v; the page says %q", script, err, t.Said())
	}
	return value
}

// Until waits until a script is true. The page may become another one meanwhile.
func (t *Tab) Until(script string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		_, err := chromedp.Run(t.ctx, chromedp.Poll[chromedp.Void](script, chromedp.WithPollingTimeout(patience)))
		if err == nil {
			return
		}
		moved := strings.Contains(err.Error(), "Cannot find context") || strings.Contains(err.Error(), "target navigated")
		if !moved || time.Now().After(deadline) {
			t.Fatalf("never true: %s: %v; the page says %q", script, err, t.Said())
		}
	}
}

func (t *Tab) begins(c *cdpruntime.ExecutionContextDescription) {
	var about struct {
		FrameID   string
		IsDefault bool
	}
	if json.Unmarshal(c.AuxData, &about) == nil && about.IsDefault {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.contexts[about.FrameID] = c.ID
	}
}

// A Frame is a page in the page.
type Frame struct {
	*Tab
	part string
}

// In is the frame that has these words in its address, now or soon.
func (t *Tab) In(part string) Frame { return Frame{t, part} }

// context is where scripts of the frame run; 0: it is not there yet.
func (f Frame) context(ctx context.Context) cdpruntime.ExecutionContextID {
	tree, err := chromedp.Call(ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id := ""
	for all := []*page.FrameTree{tree.FrameTree}; len(all) > 0; all = all[1:] {
		if frame := all[0].Frame; frame.ParentID != "" && strings.Contains(frame.URL, f.part) {
			id = string(frame.ID)
		}
		all = append(all, all[0].ChildFrames...)
	}
	return f.contexts[id]
}

// Until waits until a script in the frame is true, which may be another document meanwhile.
func (f Frame) Until(script string) {
	f.Helper()
	ctx, end := context.WithTimeout(f.ctx, patience)
	defer end()
	for ctx.Err() == nil {
		if id := f.context(ctx); id != 0 {
			is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+script+")", func(p *cdpruntime.EvaluateParams) { p.ContextID = id }))
			if err == nil && is {
				return
			}
		}
		_ = chromedp.Do(ctx, chromedp.Sleep(50*time.Millisecond))
	}
	f.Fatalf("in %s never true: %s; there is %q; the page says %q", f.part, script, f.text(), f.Said())
}

// text is what the frame shows, for who looks for a fault.
func (f Frame) text() string {
	ctx, end := context.WithTimeout(f.ctx, patience)
	defer end()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText.slice(0, 600)", func(p *cdpruntime.EvaluateParams) { p.ContextID = f.context(ctx) }))
	return text
}

// Eval runs a script in the frame, and returns the text that it promises.
func (f Frame) Eval(script string) string {
	f.Helper()
	f.Until("true")
	ctx, end := context.WithTimeout(f.ctx, patience)
	defer end()
	id := f.context(ctx)
	value, err := chromedp.Run(ctx, chromedp.Evaluate[string]("Promise.resolve("+script+").then(String)", chromedp.EvalAwaitPromise, func(p *cdpruntime.EvaluateParams) { p.ContextID = id }))
	if err != nil {
		f.Fatalf("the frame cannot do %s: %v; the page says %q", script, err, f.Said())
	}
	return value
}

// Click waits until there is something that can be clicked, and clicks it.
func (f Frame) Click(selector string) {
	f.Helper()
	quoted := strconv.Quote(selector)
	f.Until("document.querySelector(" + quoted + ")?.disabled === false || document.querySelector(" + quoted + ")?.matches('a, summary')")
	f.Eval("document.querySelector(" + quoted + ").click()")
}

// Type writes into a field of the frame.
func (f Frame) Type(selector, text string) {
	f.Helper()
	f.Until("document.querySelector(" + strconv.Quote(selector) + ")")
	f.Eval("document.querySelector(" + strconv.Quote(selector) + ").focus()")
	f.Do(chromedp.KeyEvent(text))
}

// A Finding is one of axe-core: what is wrong for people who cannot see, hear or use a mouse.
type Finding struct {
	ID, Impact, Help string
	Nodes            []struct{ HTML, FailureSummary string }
}

// Axe is the script of axe-core, which .ci/lint installs.
func Axe(t testing.TB) string {
	t.Helper()
	for dir := "."; ; dir = filepath.Join("..", dir) {
		if script, err := os.ReadFile(filepath.Join(dir, ".ci", "node_modules", "axe-core", "axe.min.js")); err == nil {
			return string(script)
		}
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	missing(t, "axe-core is not installed: run npm ci in .ci")
	return ""
}

// Findings are the serious and critical ones of axe-core about the page as it is.
func (t *Tab) Findings(axe string) (found []Finding) {
	t.Helper()
	ctx, end := context.WithTimeout(t.ctx, patience)
	defer end()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](axe+";0")); err != nil {
		t.Fatal(err)
	}
	result := t.Eval(`axe.run(document, {resultTypes: ["violations"], iframes: false}).then((r) => JSON.stringify(r.violations))`)
	var all []Finding
	if err := json.Unmarshal([]byte(result), &all); err != nil {
		t.Fatal(err)
	}
	for _, finding := range all {
		if finding.Impact == "serious" || finding.Impact == "critical" {
			found = append(found, finding)
		}
	}
	return found
}

// Picture is what the page looks like, all of it.
func (t *Tab) Picture() []byte {
	t.Helper()
	ctx, end := context.WithTimeout(t.ctx, patience)
	defer end()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	return png
}

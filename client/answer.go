package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Beyond these bounds an answer is given up. They are far more than any community needs, and little enough that no
// server can exhaust the memory of its caller: two bytes of JSON may be hundreds in memory, so their number counts too.
const (
	maxAnswer = 32 << 20  // In bytes.
	maxItems  = 10_000    // In the list that was asked for: ten times what the contract lets anybody make, for those who have more from before.
	maxParts  = 1_000_000 // In all objects and lists together.
)

var (
	errTooLarge     = fmt.Errorf("it is larger than %d MiB", maxAnswer>>20)
	errTooManyItems = fmt.Errorf("it is too large: it has more than %d items", maxItems)
	errTooManyParts = fmt.Errorf("it is too large: it has more than %d parts", maxParts)
)

// envelope is the outer part of an answer. It fits the families of the contract but the flat one, in success and in failure:
//
//	System       {meta: {success, message, devMessage}, body}
//	Integration  {status, message, data}
//	Application  {meta: {status}, message, data}
type envelope[T any] struct {
	Pagination struct {
		NextCursor string `json:"nextCursor"`
	} `json:"pagination"`
	Meta struct {
		Success    bool    `json:"success"`
		Status     string  `json:"status"`
		Message    string  `json:"message"`
		DevMessage string  `json:"devMessage"`
		Page       int32   `json:"page"`
		Limit      int32   `json:"limit"`
		Total      int64   `json:"total"`
		NextCursor *string `json:"nextCursor"`
		ComputedAt *Time   `json:"computedAt"`
	} `json:"meta"`
	Status  string `json:"status"`
	Message string `json:"message"`
	Body    *T     `json:"body"`
	Data    *T     `json:"data"`
}

func (e *envelope[T]) succeeded() bool {
	return e.Meta.Success || e.Meta.Status == "success" || e.Status == "success"
}

func (e *envelope[T]) payload() *T {
	if e.Body != nil {
		return e.Body
	}
	return e.Data
}

// answer is where a response becomes a value or an error. It takes what a method of gen.Client returns, and closes
// the response. The envelope it returns has a payload.
func answer[T any](res *http.Response, err error) (*envelope[T], error) {
	e, err := opened[T](res, err)
	if err == nil && e.payload() == nil {
		return nil, unusable(res, errors.New("it is not the JSON expected: what was asked for is not in it"))
	}
	return e, err
}

// opened is answer where nothing may be in the envelope.
func opened[T any](res *http.Response, err error) (*envelope[T], error) {
	e, err := bare[envelope[T]](res, err)
	if err == nil && !e.succeeded() {
		return nil, unusable(res, errors.New("it is not the JSON expected: it does not say that it succeeded"))
	}
	return e, err
}

// bare is answer where there is no envelope.
func bare[T any](res *http.Response, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, newError(res)
	}
	text, err := io.ReadAll(capped(res.Body))
	if err != nil {
		return nil, unusable(res, err)
	}
	if err := countable(text); err != nil {
		return nil, unusable(res, err)
	}
	value := new(T)
	if err := json.Unmarshal(text, value); err != nil {
		return nil, unusable(res, fmt.Errorf("it is not the JSON expected: %w", err))
	}
	return value, nil
}

// unusable is the error of a request that succeeded, as far as its status goes, with an answer of no use.
func unusable(res *http.Response, cause error) error {
	method, path := asked(res)
	err := fmt.Errorf("rejoin: %s %s: the answer with status %d and Content-Type %q cannot be used: %w",
		method, path, res.StatusCode, cut(res.Header.Get("Content-Type")), cause)
	return afterAll(err, attemptOf(res.Request.Context()).number)
}

func one[T any](res *http.Response, err error) (*T, error) {
	e, err := answer[T](res, err)
	if err != nil {
		return nil, err
	}
	return e.payload(), nil
}

func list[T any](res *http.Response, err error) ([]T, error) {
	items, err := one[[]T](res, err)
	if err != nil {
		return nil, err
	}
	return *items, nil
}

func done(res *http.Response, err error) error {
	_, err = opened[struct{}](res, err)
	return err
}

// countable refuses a JSON text of too many items or parts before any of them is made. What is wrong with it otherwise
// is left to be found by whoever decodes it.
func countable(text []byte) error {
	depth, parts, items := 0, 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			depth++
			parts++
			if depth == 2 { // The payload of an envelope, or its meta.
				items = 1
			}
		case ']', '}':
			depth--
		case ',':
			parts++
			if depth == 2 {
				items++
			}
		}
		if items > maxItems {
			return errTooManyItems
		}
		if parts > maxParts {
			return errTooManyParts
		}
	}
	return nil
}

// capped returns body as it is up to maxAnswer bytes; reading beyond them is errTooLarge.
func capped(body io.ReadCloser) io.ReadCloser {
	return &cappedBody{ReadCloser: body, left: maxAnswer}
}

type cappedBody struct {
	io.ReadCloser
	left int64 // Negative once there was more.
}

func (c *cappedBody) Read(p []byte) (int, error) {
	if c.left < 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.ReadCloser.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return n - 1, errTooLarge
	}
	return n, err
}

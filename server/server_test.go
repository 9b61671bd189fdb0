package server_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"
)

func createServer(t testing.TB, handler http.Handler, token, name string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	form.WriteField("name", name)
	form.Close()
	r := httptest.NewRequest("POST", "/servers", &body)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", form.FormDataContentType())
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	if answer.Code != http.StatusCreated {
		t.Fatalf("POST /servers answered %d: %s", answer.Code, answer.Body)
	}
}

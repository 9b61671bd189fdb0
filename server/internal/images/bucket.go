package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"
	"github.com/rejoin-dev/rejoin/server/internal/cause"
	"github.com/sethvargo/go-retry"
)

// A bucket keeps each image as an object of an S3 bucket, whose key is the prefix and the id.
//
// It speaks HTTP itself and has its requests signed: four of them are all that it needs, and a whole client would weigh
// more than the rest of the program.
type bucket struct {
	root     string // the URL of the bucket, with a slash at its end
	prefix   string
	region   string
	keys     *credentials.Credentials
	client   *http.Client
	patience time.Duration // until the headers of an answer must be there, all attempts together; and then for each read of it
}

const (
	patience = 20 * time.Second
	attempts = 3
)

// What the URL of a bucket may look like. Prefixes and regions are of characters that mean themselves in every URL.
var (
	regionForm = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	prefixForm = regexp.MustCompile(`^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*$`)
)

// parseBucket reads a URL such as s3://bucket/prefix?endpoint=https://s3.example&region=eu-central-1. Its errors do not
// repeat what may be a secret.
func parseBucket(where string) (*bucket, error) {
	u, err := url.Parse(where)
	if err != nil || u.Scheme != scheme || u.Opaque != "" || u.Fragment != "" {
		return nil, errors.New("must be a directory, or a URL such as s3://bucket/prefix?endpoint=https://s3.example&region=eu-central-1")
	}
	if u.User != nil {
		return nil, errors.New("must hold no credentials: they are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	if err := s3utils.CheckValidBucketNameStrict(u.Host); err != nil {
		return nil, errors.New("must name a bucket behind s3://, of 3 to 63 lower-case letters, digits, dots and hyphens")
	}
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	if len(prefix) > 512 || !prefixForm.MatchString(prefix) {
		return nil, errors.New("must have a prefix of letters, digits, dots, hyphens, underscores and slashes")
	}
	query, err := url.ParseQuery(u.RawQuery)
	for name := range query {
		if name != "endpoint" && name != "region" {
			err = errors.New(name)
		}
	}
	if err != nil {
		return nil, errors.New("may have endpoint and region behind the question mark, and nothing else")
	}
	b := &bucket{prefix: prefix, region: query.Get("region"), client: newClient(), patience: patience}
	if b.region == "" {
		b.region = os.Getenv("AWS_REGION")
	}
	if b.region == "" {
		b.region = "us-east-1"
	}
	if !regionForm.MatchString(b.region) {
		return nil, errors.New("must have a region such as eu-central-1")
	}
	return b, b.address(u.Host, query.Get("endpoint"))
}

// address settles where the requests go, and whose credentials go with them.
func (b *bucket) address(name, endpoint string) error {
	providers := []credentials.Provider{&credentials.EnvAWS{}}
	b.root = endpoint + "/" + name + "/"
	if endpoint == "" {
		endpoint = "https://s3." + b.region + ".amazonaws.com"
		b.root = "https://" + name + "." + strings.TrimPrefix(endpoint, "https://") + "/"
		if strings.Contains(name, ".") { // for which there is no certificate
			b.root = endpoint + "/" + name + "/"
		}
	}
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || endpoint != u.Scheme+"://"+u.Host {
		return errors.New("must have an endpoint such as https://s3.example:9000, without a path")
	}
	if s3utils.IsAmazonEndpoint(*u) {
		// The role of a machine or a container at AWS, whose token nobody else must see.
		providers = append(providers, &credentials.IAM{})
	}
	b.keys = credentials.NewChainCredentials(providers)
	return nil
}

func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: func(r *http.Request) (*url.URL, error) {
				if r.URL.Scheme == "http" { // a neighbour: the metadata service of the machine, or a bucket beside it
					return nil, nil
				}
				return http.ProxyFromEnvironment(r)
			},
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second,
			MaxIdleConnsPerHost: 16,
			IdleConnTimeout:     time.Minute,
			DisableCompression:  true, // what is stored is what is sent
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// check asks whether the bucket is there and may be used.
func (b *bucket) check(ctx context.Context) error {
	answer, err := b.do(ctx, request{method: http.MethodHead})
	if errors.Is(err, ErrNotFound) {
		return errors.New("there is no such bucket")
	}
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// put lets an image arrive in a temporary file first. It can be sent again then, has a length and a digest, is never in
// memory whole, and is in the bucket whole or not at all.
func (b *bucket) put(ctx context.Context, id string, content io.Reader) error {
	file, err := os.CreateTemp("", "rejoin-image-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	digest := sha256.New()
	size, err := io.Copy(io.MultiWriter(file, digest), content)
	if err != nil {
		return err
	}
	answer, err := b.do(ctx, request{http.MethodPut, b.prefix + id, io.NewSectionReader(file, 0, size), hex.EncodeToString(digest.Sum(nil))})
	if err == nil {
		return answer.Body.Close()
	}
	if errors.Is(err, ErrUnavailable) || ctx.Err() != nil { // it may have arrived
		err = errors.Join(err, b.remove(context.WithoutCancel(ctx), id))
	}
	return err
}

func (b *bucket) get(ctx context.Context, id string) (io.ReadCloser, int64, error) {
	answer, err := b.do(ctx, request{method: http.MethodGet, key: b.prefix + id})
	if err != nil {
		return nil, 0, err
	}
	if answer.ContentLength < 0 {
		return nil, 0, errors.Join(errors.New("the bucket does not say how long it is"), answer.Body.Close())
	}
	return answer.Body, answer.ContentLength, nil
}

func (b *bucket) remove(ctx context.Context, id string) error {
	answer, err := b.do(ctx, request{method: http.MethodDelete, key: b.prefix + id})
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

func (b *bucket) probe(ctx context.Context) error { return b.check(ctx) }

func (b *bucket) sweep(time.Time) error { return nil } // for what was not sent whole is not there

func (b *bucket) close() error { b.client.CloseIdleConnections(); return nil }

// A request to a bucket. Without a key it is about the bucket itself.
type request struct {
	method, key string
	body        *io.SectionReader // nil: none
	digest      string            // SHA-256 of the body, hexadecimal
}

// do sends a request, again if that may help, and returns its answer if it is a good one. Closing its body frees what is held.
func (b *bucket) do(ctx context.Context, q request) (answer *http.Response, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(b.patience, func() { cancel(errSlow) })
	err = retry.Do(ctx, retry.WithMaxRetries(attempts-1, retry.NewExponential(200*time.Millisecond)), func(ctx context.Context) error {
		answer, err = b.send(ctx, q)
		if errors.Is(err, ErrUnavailable) {
			return retry.RetryableError(err)
		}
		return err
	})
	if !late.Stop() || ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if answer == nil {
		cancel(nil)
		return nil, err
	}
	answer.Body = &body{answer.Body, ctx, cancel, b.patience}
	if err != nil { // it came when nobody waited any more
		answer.Body.Close()
		return nil, err
	}
	return answer, nil
}

var errSlow = fmt.Errorf("%w: the bucket takes too long to answer", ErrUnavailable)

// A body ends its request when it is closed, or when nothing comes any more.
type body struct {
	io.ReadCloser
	ctx      context.Context // of the request
	end      context.CancelCauseFunc
	patience time.Duration
}

func (b *body) Read(p []byte) (int, error) {
	late := time.AfterFunc(b.patience, func() { b.end(errSlow) })
	n, err := b.ReadCloser.Read(p)
	late.Stop()
	if err != nil && err != io.EOF && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

func (b *body) Close() error {
	defer b.end(nil)
	return b.ReadCloser.Close()
}

func (b *bucket) send(ctx context.Context, q request) (*http.Response, error) {
	keys, err := b.keys.GetWithContext(&credentials.CredContext{Client: b.client, Context: ctx})
	if err != nil {
		return nil, away(err)
	}
	if keys.AccessKeyID == "" || keys.SecretAccessKey == "" {
		return nil, fmt.Errorf("%w: there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", ErrUnavailable)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, b.root+q.key, nil)
	if err != nil {
		return nil, err
	}
	if q.body == nil {
		empty := sha256.Sum256(nil)
		q.digest = hex.EncodeToString(empty[:])
	} else {
		r.ContentLength = q.body.Size()
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(q.body, 0, q.body.Size())), nil }
		r.Body, _ = r.GetBody()
	}
	r.Header.Set("X-Amz-Content-Sha256", q.digest)
	r = signer.SignV4(*r, keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken, b.region)
	r.Header["Idempotency-Key"] = nil // is not sent: it lets net/http repeat a request whose connection had ended
	answer, err := b.client.Do(r)
	if err != nil {
		return nil, away(err)
	}
	if answer.StatusCode/100 == 2 {
		return answer, nil
	}
	return nil, errors.Join(refusal(answer), answer.Body.Close())
}

// refusal is what a bad answer says.
func refusal(answer *http.Response) error {
	var problem struct{ Code string }
	_ = xml.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&problem) // it may have none
	says := fmt.Sprintf("the bucket answers %d %s", answer.StatusCode, problem.Code)
	region := answer.Header.Get("X-Amz-Bucket-Region")
	switch {
	case answer.StatusCode == http.StatusNotFound && problem.Code != "NoSuchBucket":
		return ErrNotFound
	case answer.StatusCode >= http.StatusInternalServerError, answer.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("%w: %s", ErrUnavailable, strings.TrimSpace(says))
	case answer.StatusCode/100 == 3 && region != "":
		return fmt.Errorf("the bucket is in another region: set region=%s", region)
	case answer.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%s: the credentials are not good for it", strings.TrimSpace(says))
	}
	return errors.New(strings.TrimSpace(says))
}

// away is why a bucket was not reached, without the steps of the client around it.
func away(err error) error {
	return fmt.Errorf("%w: %s", ErrUnavailable, cause.Of(err))
}

package zone

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"imagetools/fault"
	"imagetools/internal/scratch"
)

// Fetch is how a bootstrap is fetched: over HTTPS alone. A connection that breaks or stalls is
// made again a few times, and goes on where it was if the server can do that.
type Fetch struct {
	URL      string
	SHA256   string // that the file must have, if not empty
	CACert   []byte // root certificates (PEM) in place of those of this host
	Dir      string // for the file until it is closed; empty for the system's
	Progress func(done, total int64)

	// Pause is the wait before the second try; it doubles with each. Zero means a second.
	Pause time.Duration
}

const (
	fetchTries = 5
	stallLimit = time.Minute // without a byte
)

// Get fetches the bootstrap into a temporary file.
func (f *Fetch) Get(ctx context.Context) (kit *Kit, err error) {
	client, err := f.client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	file, err := scratch.File(f.Dir)
	if err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	err = f.download(ctx, client, file)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	k := &Kit{Source: f.URL, file: file}
	if err := k.look(ctx, f.SHA256); err != nil {
		return nil, err
	}
	return k, nil
}

func (f *Fetch) client() (*http.Client, error) {
	u, err := url.Parse(f.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("bootstrap %q: this is no https URL", f.URL)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = stallLimit
	transport.DisableCompression = true // the file is compressed, and meant to stay so
	if f.CACert != nil {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(f.CACert) {
			return nil, errors.New("root certificates: none of them is one")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Scheme != "https" {
			return finalError{fmt.Errorf("it leads away from https, to %q", r.URL.Redacted())}
		}
		if len(via) >= 10 {
			return finalError{errors.New("it leads from one place to the next without end")}
		}
		return nil
	}}, nil
}

// finalError is one that another try does not help.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

func (f *Fetch) download(ctx context.Context, client *http.Client, file *os.File) error {
	pause := f.Pause
	if pause == 0 {
		pause = time.Second
	}
	t := &transfer{Fetch: f, client: client, file: file}
	for try := 1; ; try++ {
		err := t.try(ctx)
		if _, final := errors.AsType[finalError](err); err == nil || ctx.Err() != nil || final {
			return err
		}
		if try == fetchTries {
			return fmt.Errorf("%w, %d times", err, try)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// transfer is a download that may need several tries.
type transfer struct {
	*Fetch
	client *http.Client
	file   *os.File
	done   int64
	etag   string // of what is there so far; empty if it cannot be gone on with
}

// try asks for what is missing.
func (t *transfer) try(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(stallLimit, func() { cancel(fmt.Errorf("nothing came for %v", stallLimit)) })
	defer stalled.Stop()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.URL, nil)
	if err != nil {
		return finalError{err}
	}
	if t.done > 0 && t.etag != "" {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", t.done))
		request.Header.Set("If-Range", t.etag)
	}
	response, err := t.client.Do(request)
	if err != nil {
		return t.explain(ctx, err)
	}
	defer response.Body.Close()
	if err := t.begin(response); err != nil {
		return err
	}
	total := int64(-1)
	if response.ContentLength >= 0 {
		total = t.done + response.ContentLength
	}
	if total > maxKit {
		return finalError{fmt.Errorf("bootstrap %q: %d bytes are more than %d", t.URL, total, maxKit)}
	}
	return t.copy(ctx, response.Body, total, stalled)
}

// begin reads the head of an answer.
func (t *transfer) begin(response *http.Response) error {
	switch code := response.StatusCode; {
	case code == http.StatusPartialContent && t.done > 0:
		var from int64
		if _, err := fmt.Sscanf(response.Header.Get("Content-Range"), "bytes %d-", &from); err != nil || from != t.done {
			t.etag = ""
			return fmt.Errorf("bootstrap %q: from byte %d on was asked for, and %q is what came", t.URL, t.done, response.Header.Get("Content-Range"))
		}
		return nil
	case code == http.StatusOK:
	case code == http.StatusTooManyRequests || code >= 500:
		return fmt.Errorf("bootstrap %q: the server answers %q", t.URL, response.Status)
	case code == http.StatusNotFound:
		return finalError{fault.With(fmt.Errorf("bootstrap %q: the server answers %q", t.URL, response.Status), WayKit)}
	default:
		return finalError{fmt.Errorf("bootstrap %q: the server answers %q", t.URL, response.Status)}
	}
	t.done, t.etag = 0, ""
	if tag := response.Header.Get("ETag"); len(tag) > 2 && tag[0] == '"' { // a weak one may stand for other bytes
		t.etag = tag
	}
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return finalError{err}
	}
	if err := t.file.Truncate(0); err != nil {
		return finalError{err}
	}
	return nil
}

func (t *transfer) copy(ctx context.Context, body io.Reader, total int64, stalled *time.Timer) error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := body.Read(buffer)
		if t.done+int64(n) > maxKit {
			return finalError{fmt.Errorf("bootstrap %q: more than %d bytes come", t.URL, maxKit)}
		}
		if _, err := t.file.Write(buffer[:n]); err != nil {
			return finalError{fmt.Errorf("bootstrap: %w", err)}
		}
		t.done += int64(n)
		stalled.Reset(stallLimit)
		if t.Progress != nil {
			t.Progress(t.done, total)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return t.explain(ctx, err)
		}
	}
}

// explain says what went wrong with a connection.
func (t *transfer) explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err // it says the URL once more
	}
	err = fmt.Errorf("bootstrap %q: %w", t.URL, err)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return finalError{fault.With(err, WayTrust)}
	}
	return err
}

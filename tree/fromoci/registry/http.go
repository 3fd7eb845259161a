package registry

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"imagetools/fault"
)

const (
	attempts = 5
	maxWait  = time.Minute // that a registry may ask for
)

// newTransport returns the way to a registry, whose host may have a port.
func newTransport(registry string, opts Options) *gate {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    30 * time.Second,
		ResponseHeaderTimeout:  opts.Stall,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 1 << 20,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // digests are those of what is sent, whatever a server calls its encoding
	}
	if opts.Insecure {
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	}
	return &gate{RoundTripper: t, insecure: opts.Insecure, local: isLoopback((&url.URL{Host: registry}).Hostname())}
}

// gate lets plain HTTP through to where nobody can listen only: from a registry of this host to this
// host. Another registry must not lead there, with credentials in plain text for whoever has the
// port, whatever is allowed otherwise. It keeps what a server that is busy
// said of when to ask again, which the library does not tell.
type gate struct {
	http.RoundTripper
	insecure bool
	local    bool         // the registry is on this host
	after    atomic.Int64 // of the last response, a time.Duration
}

var (
	errPlain = errors.New("plain HTTP is not used over a network")
	errLocal = errors.New("a registry elsewhere leads to this host over plain HTTP")
)

func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := g.check(req.URL); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	resp, err := g.RoundTripper.RoundTrip(req)
	if err == nil {
		g.after.Store(int64(retryAfter(resp.Header.Get("Retry-After"))))
	}
	return resp, err
}

func (g *gate) check(u *url.URL) error {
	here := isLoopback(u.Hostname())
	switch {
	case u.Scheme == "https" || here && g.local:
		return nil
	case here:
		return fmt.Errorf("%s: %w", u.Host, errLocal)
	case g.insecure:
		return nil
	}
	return fault.With(fmt.Errorf("%s: %w", u.Host, errPlain), WayInsecure)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// get asks for a thing of the repository. A status other than 200 and 206 is a [StatusError].
func (r *Repository) get(ctx context.Context, path string, header http.Header) (*http.Response, error) {
	repo := r.ref.Context()
	u := url.URL{Scheme: repo.Scheme(), Host: repo.RegistryStr(), Path: "/v2/" + repo.RepositoryStr() + "/" + path}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		defer resp.Body.Close()
		return nil, statusError(resp)
	}
	return resp, nil
}

// errorCode is what a code of a registry looks like; whatever else a server says is not repeated.
var errorCode = regexp.MustCompile(`^[A-Z][A-Z_]{1,40}$`)

func statusError(resp *http.Response) *StatusError {
	e := &StatusError{Status: resp.StatusCode, After: retryAfter(resp.Header.Get("Retry-After"))}
	var body transport.Error
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if json.Unmarshal(text, &body) == nil && len(body.Errors) > 0 && errorCode.MatchString(string(body.Errors[0].Code)) {
		e.Code = string(body.Errors[0].Code)
	}
	return e
}

// retryAfter reads the header: a number of seconds, or a date.
func retryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n < 1<<30 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, time.Until(at).Round(time.Second))
	}
	return 0
}

// wordError makes an error of HTTP or of the library one that can be shown: without URLs, which
// may be signed, and without what a server sent.
func (r *Repository) wordError(err error) error {
	if refused, ok := errors.AsType[*transport.Error](err); ok {
		e := &StatusError{Status: refused.StatusCode, After: time.Duration(r.gate.after.Load())}
		if len(refused.Errors) > 0 && errorCode.MatchString(string(refused.Errors[0].Code)) {
			e.Code = string(refused.Errors[0].Code)
		}
		return e
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		host := "a server"
		if at, parseErr := url.Parse(u.URL); parseErr == nil {
			host = at.Host
		}
		if strings.HasPrefix(u.Err.Error(), host) {
			return u.Err
		}
		return fmt.Errorf("%s: %w", host, u.Err)
	}
	if strings.HasPrefix(err.Error(), "no token in bearer response") {
		return errors.New("the server of tokens sent none")
	}
	return err
}

// again calls f until it succeeds, fails for good, or has failed too often.
func (r *Repository) again(ctx context.Context, f func() error) error {
	for n := 0; ; n++ {
		err := f()
		if err == nil {
			return nil
		}
		if err = r.wait(ctx, n, r.wordError(err)); err != nil {
			return err
		}
	}
}

// wait waits after the failed attempt n, from 0. It returns the error if another is no use.
func (r *Repository) wait(ctx context.Context, n int, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	pause := r.opts.Backoff << n
	pause += rand.N(pause/4 + 1)
	if e, ok := errors.AsType[*StatusError](err); ok {
		switch e.Status {
		case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		default:
			return err
		}
		if e.After > maxWait {
			return err
		}
		if pause = max(pause, e.After); e.After > 0 && r.opts.Waiting != nil && n+1 < attempts {
			r.opts.Waiting(e.After)
		}
	} else if !transient(err) {
		return err
	}
	if n+1 >= attempts {
		return fmt.Errorf("after %d attempts: %w", attempts, err)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// transient tells whether an error may be gone the next time: of the network, not of names,
// certificates, or what is not allowed.
func transient(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsTemporary || dns.IsTimeout
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op != "dial" || op.Timeout()
	}
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout() || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errStalled) || errors.Is(err, errCut)
}

package registry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	server "github.com/google/go-containerregistry/pkg/registry"

	"imagetools/compress"
	"imagetools/internal/cli"
	"imagetools/internal/ocitest"
	"imagetools/tree/fromoci"
	"imagetools/tree/fromoci/registry"
)

// image has a layer that is fetched in several pieces.
func image(t *testing.T) ocitest.Image {
	var big strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&big, "%d,", i)
	}
	return ocitest.Image{
		Layers: [][]byte{ocitest.Tar(t, "file big="+big.String()), ocitest.Tar(t, "file small=1")},
		Pack:   []func(testing.TB, []byte) []byte{nil, ocitest.Gzip},
		Config: ocitest.Object{"Env": []string{"A=b"}},
	}
}

// start starts a registry with an image "team/app:1", through which the requests of the test go.
func start(t *testing.T, p *ocitest.Parts, middle func(http.Handler) http.Handler) (host string) {
	t.Helper()
	plain := server.New(server.Logger(log.New(io.Discard, "", 0)))
	ocitest.Push(t, plain, "team/app", "1", p)
	handler := http.Handler(plain)
	if middle != nil {
		handler = middle(plain)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func decompress(r io.Reader) (io.ReadCloser, bool, error) {
	rc, format, err := compress.NewReader(r, compress.Options{})
	return rc, format != compress.None, err
}

var quick = registry.Options{Backoff: time.Millisecond, Stall: 5 * time.Second}

// read reads an image as far as its contents.
func read(ctx context.Context, ref string, opts registry.Options) (string, error) {
	repo, err := registry.Open(ctx, ref, opts)
	if err != nil {
		return "", err
	}
	src, err := fromoci.Read(ctx, repo, "", fromoci.Options{Decompress: decompress})
	if err != nil {
		return "", err
	}
	defer src.Close()
	var out strings.Builder
	for _, name := range []string{"big", "small"} {
		n := src.Tree.Lookup(name)
		f, err := n.Content.Open()
		if err != nil {
			return "", err
		}
		_, err = io.Copy(&out, io.NewSectionReader(f, 0, n.Size))
		if err := errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	return out.String(), nil
}

// want is what read returns of the image.
func want() string {
	var big strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&big, "%d,", i)
	}
	return big.String() + "1"
}

func TestRead(t *testing.T) {
	p := image(t).Parts(t)
	host := start(t, p, nil)
	for _, ref := range []string{host + "/team/app:1", host + "/team/app@" + p.Manifest.Descriptor["digest"].(string)} {
		if got, err := read(t.Context(), ref, quick); err != nil || got != want() {
			t.Errorf("%s: %d bytes, %v", ref, len(got), err)
		}
	}
	repo, err := registry.Open(t.Context(), host+"/team/app:1", quick)
	if err != nil {
		t.Fatal(err)
	}
	if repo.Name() != host+"/team/app" || repo.Tag() != "1" || repo.String() != "docker://"+host+"/team/app:1" {
		t.Errorf("%s, %s, %s", repo.Name(), repo.Tag(), repo)
	}
}

// A registry in trouble: what is requested of it comes right in the end.
func TestRecovers(t *testing.T) {
	p := image(t).Parts(t)
	for name, middle := range map[string]func(n int64, w http.ResponseWriter, r *http.Request, next http.Handler){
		"busy": func(n int64, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n%2 == 1 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			next.ServeHTTP(w, r)
		},
		"failing": func(n int64, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n%3 != 0 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			next.ServeHTTP(w, r)
		},
		"cut, with ranges": func(n int64, w http.ResponseWriter, r *http.Request, next http.Handler) {
			body := httptest.NewRecorder()
			from := r.Header.Get("Range")
			r.Header.Del("Range")
			next.ServeHTTP(body, r)
			if !strings.Contains(r.URL.Path, "/blobs/") {
				copyTo(w, body)
				return
			}
			http.ServeContent(&cutting{w, 100_000}, withRange(r, from), "", time.Time{}, bytes.NewReader(body.Body.Bytes()))
		},
		"cut, without ranges": func(n int64, w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.Header.Del("Range")
			if n < 6 && strings.Contains(r.URL.Path, "/blobs/") {
				w = &cutting{w, int(n) * 60_000}
			}
			next.ServeHTTP(w, r)
		},
		"dropped": func(n int64, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n%2 == 0 {
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			host := start(t, p, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { middle(n.Add(1), w, r, next) })
			})
			if got, err := read(t.Context(), host+"/team/app:1", quick); err != nil || got != want() {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// Stores of registries are known to say that a layer in gzip is one that is not, sent in gzip.
func TestContentEncoding(t *testing.T) {
	p := image(t).Parts(t)
	host := start(t, p, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got := httptest.NewRecorder()
			h.ServeHTTP(got, r)
			if bytes.HasPrefix(got.Body.Bytes(), []byte{0x1f, 0x8b}) {
				got.Header().Set("Content-Encoding", "gzip")
			}
			copyTo(w, got)
		})
	})
	if got, err := read(t.Context(), host+"/team/app:1", quick); err != nil || got != want() {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func copyTo(w http.ResponseWriter, from *httptest.ResponseRecorder) {
	for k, v := range from.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(from.Code)
	w.Write(from.Body.Bytes())
}

func withRange(r *http.Request, value string) *http.Request {
	if value != "" {
		r.Header.Set("Range", value)
	}
	return r
}

// cutting drops the connection after a number of bytes of the body.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	if len(p) > c.left {
		c.ResponseWriter.Write(p[:c.left])
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

// What stays wrong is told, with what to do.
func TestFails(t *testing.T) {
	p := image(t).Parts(t)
	status := func(code int, header, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/v2/") {
				return false
			}
			if k, v, ok := strings.Cut(header, "="); ok {
				w.Header().Set(k, v)
			}
			w.WriteHeader(code)
			io.WriteString(w, body)
			return true
		}
	}
	blobs := func(f func(w http.ResponseWriter, r *http.Request)) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, p.Layers[0].Descriptor["digest"].(string)) {
				return false
			}
			f(w, r)
			return true
		}
	}
	for name, c := range map[string]struct {
		answer     func(http.ResponseWriter, *http.Request) bool
		want, hint string
	}{
		"401":       {status(401, "", ""), "access is denied (status 401)", "registry.denied"},
		"403":       {status(403, "", `{"errors":[{"code":"DENIED"}]}`), "access is denied (status 403, DENIED)", "registry.denied"},
		"404":       {status(404, "", `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"<b>x"}]}`), "it does not exist (status 404, MANIFEST_UNKNOWN)", "name is right"},
		"429":       {status(429, "", ""), "after 5 attempts: the registry is asked too often (status 429)", "try again later"},
		"429, long": {status(429, "Retry-After=3600", ""), "the registry is asked too often (status 429)", "try again in 1h0m0s"},
		"500":       {status(500, "", "secret words"), "after 5 attempts: the registry fails (status 500)", "try again later"},
		"418":       {status(418, "", ""), "the registry fails (status 418)", ""},
		"cut":       {blobs(func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }), "after 5 attempts", ""},
		"short": {blobs(func(w http.ResponseWriter, r *http.Request) { w.Write(p.Layers[0].Data[:1000]) }),
			"after 5 attempts: the body is cut", ""},
		"long":         {blobs(func(w http.ResponseWriter, r *http.Request) { w.Write(append(p.Layers[0].Data, 0)) }), "is longer than the", ""},
		"other":        {blobs(func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, len(p.Layers[0].Data))) }), "wrong digest", ""},
		"no blob":      {blobs(http.NotFound), "it does not exist (status 404)", ""},
		"no manifest":  {status(200, "", "<html>"), "manifest sha256:", ""},
		"wrong digest": {status(200, "Docker-Content-Digest=sha256:"+strings.Repeat("0", 64), "{}"), "wrong digest", ""},
		"schema 1":     {status(200, "", `{"schemaVersion":1,"fsLayers":[]}`), "schema version 1", ""},
		"huge":         {status(200, "", strings.Repeat(" ", 5<<20)), "manifest of more than 4194304 bytes", ""},
		"other range": {blobs(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") == "" {
				(&cutting{w, 100_000}).Write(p.Layers[0].Data)
			}
			w.Header().Set("Content-Range", "bytes 200000-300000/350720")
			w.WriteHeader(http.StatusPartialContent)
		}), "another part than was asked for", ""},
	} {
		t.Run(name, func(t *testing.T) {
			host := start(t, p, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !c.answer(w, r) {
						next.ServeHTTP(w, r)
					}
				})
			})
			_, err := read(t.Context(), host+"/team/app:1", quick)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "docker://"+host+"/team/app:1") {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%v tells what the server sent", err)
			}
			if hints := strings.Join(cli.Hints(err), " "); !strings.Contains(hints, c.hint) {
				t.Errorf("hint %q, want %q", hints, c.hint)
			}
		})
	}
}

func TestStalls(t *testing.T) {
	p := image(t).Parts(t)
	for _, interrupted := range []bool{false, true} {
		stop := make(chan struct{})
		reached := make(chan struct{}, 10)
		host := start(t, p, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, p.Layers[0].Descriptor["digest"].(string)) {
					next.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Length", strconv.Itoa(len(p.Layers[0].Data)))
				w.Write(p.Layers[0].Data[:10])
				w.(http.Flusher).Flush()
				reached <- struct{}{}
				select {
				case <-stop:
				case <-r.Context().Done():
				}
			})
		})
		ctx, cancel := context.WithCancel(t.Context())
		opts := registry.Options{Backoff: time.Millisecond, Stall: 50 * time.Millisecond}
		if interrupted {
			opts.Stall = time.Hour
			go func() { <-reached; cancel() }()
		}
		_, err := read(ctx, host+"/team/app:1", opts)
		if interrupted && !errors.Is(err, context.Canceled) || !interrupted && (err == nil || !strings.Contains(err.Error(), "sends nothing any more")) {
			t.Errorf("interrupted %v: %v", interrupted, err)
		}
		cancel()
		close(stop)
	}
}

func TestWaiting(t *testing.T) {
	p := image(t).Parts(t)
	var n atomic.Int64
	host := start(t, p, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 { // of the very first request, whose answer the library reads
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	opts := quick
	var told []time.Duration
	opts.Waiting = func(d time.Duration) { told = append(told, d) }
	if _, err := read(t.Context(), host+"/team/app:1", opts); err != nil || len(told) != 1 || told[0] != time.Second {
		t.Errorf("%v, %v", told, err)
	}
}

const user, password, token = "kim", "hunter2-very-secret", "token-very-secret"

// secured is a registry that wants credentials, in either way, and says in its errors what it got.
func secured(t *testing.T, bearer bool) (host string, requests *atomic.Int64) {
	requests = new(atomic.Int64)
	p := image(t).Parts(t)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	host = start(t, p, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			got, need := r.Header.Get("Authorization"), basic
			if bearer {
				need = "Bearer " + token
			}
			if r.URL.Path == "/token" {
				if got != basic {
					w.WriteHeader(http.StatusUnauthorized)
					fmt.Fprintf(w, `{"errors":[{"code":"UNAUTHORIZED","message":%q}]}`, got)
					return
				}
				fmt.Fprintf(w, `{"token":%q}`, token)
				return
			}
			if got != need {
				challenge := `Basic realm="x"`
				if bearer {
					challenge = `Bearer realm="http://` + r.Host + `/token",service="s"`
				}
				w.Header().Set("WWW-Authenticate", challenge)
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprintf(w, `{"errors":[{"code":"UNAUTHORIZED","message":%q}]}`, got)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	return host, requests
}

func TestCredentials(t *testing.T) {
	for _, bearer := range []bool{false, true} {
		host, _ := secured(t, bearer)
		opts := quick
		config := t.TempDir()
		t.Setenv("HOME", t.TempDir())
		t.Setenv("DOCKER_CONFIG", config)
		for _, c := range []struct {
			name, user, password, config string
			ok                           bool
		}{
			{"none", "", "", "", false},
			{"options", user, password, "", true},
			{"wrong", user, "wrong-but-secret", "", false},
			{"configuration", "", "", `{"auths":{"` + host + `":{"auth":"` + base64.StdEncoding.EncodeToString([]byte(user+":"+password)) + `"}}}`, true},
			{"of another host", "", "", `{"auths":{"example.com":{"auth":"` + base64.StdEncoding.EncodeToString([]byte(user+":"+password)) + `"}}}`, false},
		} {
			opts.User, opts.Password = c.user, c.password
			name := filepath.Join(config, "config.json")
			if os.Remove(name); c.config != "" {
				ocitest.Write(t, name, []byte(c.config))
			}
			got, err := read(t.Context(), host+"/team/app:1", opts)
			switch {
			case c.ok && (err != nil || got != want()):
				t.Errorf("bearer %v, %s: %v", bearer, c.name, err)
			case !c.ok && (err == nil || !strings.Contains(err.Error(), "access is denied (status 401, UNAUTHORIZED)")):
				t.Errorf("bearer %v, %s: %v", bearer, c.name, err)
			case err != nil:
				text := err.Error() + strings.Join(cli.Hints(err), "")
				for _, secret := range []string{"secret", base64.StdEncoding.EncodeToString([]byte(user + ":" + c.password)), "Basic"} {
					if strings.Contains(text, secret) {
						t.Errorf("bearer %v, %s: %s", bearer, c.name, text)
					}
				}
			}
		}
	}
}

// Blobs may be elsewhere; credentials do not go there, and what a signed URL has is not told.
func TestRedirect(t *testing.T) {
	p := image(t).Parts(t)
	var leaked atomic.Bool
	var gone atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			leaked.Store(true)
		}
		if gone.Load() {
			panic(http.ErrAbortHandler)
		}
		for _, b := range p.All() {
			if strings.HasSuffix(r.URL.Path, b.Descriptor["digest"].(string)) {
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b.Data))
			}
		}
	}))
	defer elsewhere.Close()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	host := start(t, p, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != basic {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			if strings.Contains(r.URL.Path, "/blobs/") {
				http.Redirect(w, r, elsewhere.URL+r.URL.Path+"?signature=very-secret", http.StatusTemporaryRedirect)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	opts := quick
	opts.User, opts.Password = user, password
	if got, err := read(t.Context(), host+"/team/app:1", opts); err != nil || got != want() {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	gone.Store(true)
	if _, err := read(t.Context(), host+"/team/app:1", opts); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	if leaked.Load() {
		t.Error("credentials went to the server of blobs")
	}
}

// Plain HTTP stays on the machine, also where a registry leads elsewhere.
func TestPlain(t *testing.T) {
	p := image(t).Parts(t)
	host := start(t, p, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/blobs/") {
				http.Redirect(w, r, "http://registry.example"+r.URL.Path, http.StatusTemporaryRedirect)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	_, err := read(t.Context(), host+"/team/app:1", quick)
	if err == nil || !strings.Contains(err.Error(), "registry.example: plain HTTP is not used over a network") || !strings.Contains(strings.Join(cli.Hints(err), ""), "registry.insecure") {
		t.Errorf("%v, %q", err, cli.Hints(err))
	}
}

func TestBadNames(t *testing.T) {
	for _, ref := range []string{"", "UPPER/case", "host/repo@sha256:1", "a b", "host:port/x", "x/../y", "localhost:1/../y", "localhost:1/.", "/", "//x"} {
		if _, err := registry.Open(t.Context(), ref, quick); err == nil || len(cli.Hints(err)) == 0 {
			t.Errorf("%q: %v, %q", ref, err, cli.Hints(err))
		}
	}
	for _, ref := range []string{"joe:secret@localhost:1/x", "joe:secret@localhost:1/x@sha256:1", "joe:secret/1@localhost:1/x:1", "joe:secret@localhost"} {
		_, err := registry.Open(t.Context(), ref, quick)
		if err == nil || strings.Contains(fmt.Sprint(err, cli.Hints(err)), "secret") {
			t.Errorf("%q: %v, %q", ref, err, cli.Hints(err))
		}
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	if _, err := registry.Open(t.Context(), strings.TrimPrefix(closed.URL, "http://")+"/x", quick); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
}
